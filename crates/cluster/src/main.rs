//! The cluster.
fn main() {}
