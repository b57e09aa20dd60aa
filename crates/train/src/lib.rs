//! Fine-tune, evaluate and calibrate token classifiers.
mod augment;
mod corpus;
mod error;
mod graph;
mod kernels;
mod loss;
mod recipe;
mod tape;

pub use augment::{Case, NamePools, augment, recase, swap_names};
pub use corpus::{Corpus, Example, LineFault, read_corpus};
pub use error::TrainError;
pub use recipe::Recipe;
