//! Which columns of a table are read, and as what.

use super::ReadError;
use crate::{Object, ReadOptions};

/// Columns by their place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The text.
    pub text: usize,
    /// The id, where there is one, and the other columns that are written out.
    pub carried: Vec<usize>,
}

impl Selection {
    /// Finds the columns that the options name among those of a file.
    pub(crate) fn new(names: &[String], object: &Object, options: &ReadOptions) -> Result<Self, ReadError> {
        let find = |column: &str| {
            names.iter().position(|name| name == column).ok_or_else(|| ReadError::MissingColumn {
                name: object.name.clone(),
                column: column.to_owned(),
                columns: names.to_vec(),
            })
        };
        let text = find(&options.text_column)?;
        let id = match &options.id_column {
            Some(column) => Some(find(column)?),
            None => find("id").ok(),
        };
        let others = match &options.carry {
            Some(columns) => columns.iter().map(|column| find(column)).collect::<Result<Vec<_>, _>>()?,
            None => (0..names.len()).collect(),
        };
        let mut carried: Vec<_> = id.into_iter().filter(|&id| id != text).collect();
        for column in others {
            // The text is written by its own option.
            if column != text && !carried.contains(&column) {
                carried.push(column);
            }
        }
        Ok(Self { text, carried })
    }

    /// All columns that are read.
    pub(crate) fn roots(&self) -> Vec<usize> {
        self.carried.iter().copied().chain([self.text]).collect()
    }
}
