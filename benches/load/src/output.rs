//! What is printed: tables that can be pasted into a note as they are.

use std::fmt::Display;
use std::io::Write;

/// Prints one line. If nobody reads it any more, the exit status still says how it ended.
pub(crate) fn say(line: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Says one line on standard error.
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A table in Markdown, with its columns padded for readers of plain text.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([columns[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
        std::iter::once("|".to_owned()).chain(padded).collect::<String>()
    };
    let head: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    [&head, &rule].into_iter().chain(rows).map(|row| line(row)).collect::<Vec<_>>().join("\n")
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for reading, not for counting")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["ä".to_owned(), "12345".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "| name | n     |\n| ---- | ----- |\n| ä    | 12345 |");
    }
}
