//! Parquet: a document a row. Columns keep their types.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::bridge::{Bridge, Outlet};
use super::file::ParquetFile;
use super::rows::{longest, too_long};
use super::{ReadError, Selection, utf8};
use crate::{Chunk, Compression, Kind, Object, Part, ReadOptions};

/// No more rows are decoded at once, however short they are.
const MOST_ROWS: usize = 1024;

/// So many rows of a row group may be no UTF-8 before it is taken to be damaged as a whole.
const MOST_BROKEN: usize = 1000;

/// A file whose footer was read.
pub(crate) struct Opened {
    object: Object,
    file: ParquetFile,
    pub(crate) metadata: ArrowReaderMetadata,
}

impl Opened {
    /// Reads the footer.
    pub(crate) fn new(bridge: &Bridge, object: &Object, kind: Kind) -> Result<Self, ReadError> {
        if kind.compression != Compression::None {
            return Err(ReadError::CompressedParquet { name: object.name.clone() });
        }
        let file = ParquetFile::new(bridge, object, 0);
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| {
            let name = object.name.clone();
            file.take_failure().unwrap_or_else(|| ReadError::NotParquet { name, reason: error.to_string() })
        })?;
        let columns = metadata.metadata().file_metadata().schema_descr().num_columns();
        Ok(Self { object: object.clone(), file: ParquetFile::new(bridge, object, columns), metadata })
    }

    /// The file's own metadata.
    pub(crate) fn footer(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The rows of each row group.
    pub(crate) fn row_groups(&self) -> impl Iterator<Item = Range<u64>> {
        self.footer().row_groups().iter().scan(0, |next, group| {
            let first = *next;
            *next += u64::try_from(group.num_rows()).unwrap_or(0);
            Some(first..*next)
        })
    }

    /// The rows that a part means, row group by row group, if the file has them.
    pub(crate) fn places(&self, part: Part) -> Result<Vec<Place>, ReadError> {
        let all = self.row_groups().enumerate().map(|(row_group, Range { start: first, end })| {
            let count = usize::try_from(end - first).unwrap_or(usize::MAX);
            Place { row_group, first, rows: 0..count }
        });
        let (places, whole): (Vec<_>, bool) = match part {
            Part::RowGroups { first, count } => {
                let places: Vec<_> = all.skip(first).take(count).collect();
                let whole = places.len() == count;
                (places, whole)
            }
            Part::Rows { row_group, start, end } => {
                let place = all.skip(row_group).take(1).find(|place| start < end && end <= place.rows.end);
                let whole = place.is_some();
                (place.map(|place| place.part(start..end)).into_iter().collect(), whole)
            }
            _ => (Vec::new(), false),
        };
        if whole { Ok(places) } else { Err(ReadError::NoSuchPart { name: self.object.name.clone(), part }) }
    }

    /// About how many bytes the columns at `roots` have in a row group, decoded.
    pub(crate) fn bytes(&self, row_group: usize, roots: &[usize]) -> u64 {
        let schema = self.footer().file_metadata().schema_descr();
        let columns = self.footer().row_group(row_group).columns().iter().enumerate();
        columns
            .filter(|(leaf, _)| roots.contains(&schema.get_column_root_idx(*leaf)))
            .map(|(_, column)| {
                let plain = column.unencoded_byte_array_data_bytes().unwrap_or(0);
                u64::try_from(plain.max(column.uncompressed_size())).unwrap_or(0)
            })
            .sum()
    }

    /// An error if the text column's type is not one of text.
    pub(crate) fn check_text(&self, column: usize) -> Result<(), ReadError> {
        let field = self.metadata.schema().field(column);
        if is_text(field.data_type()) {
            return Ok(());
        }
        Err(ReadError::NotText {
            name: self.object.name.clone(),
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })
    }

    /// Decodes `rows` of a row group (counted within it), of the columns at `roots`.
    pub(crate) fn batches(
        &self,
        row_group: usize,
        rows: Range<usize>,
        roots: &[usize],
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + use<>, ParquetError> {
        let schema = self.footer().file_metadata().schema_descr();
        let selection =
            RowSelection::from(vec![RowSelector::skip(rows.start), RowSelector::select(rows.end - rows.start)]);
        let mask = ProjectionMask::roots(schema, roots.iter().copied());
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_row_groups(vec![row_group])
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(batch_rows)
            .build()
    }

    /// The error of a row group that cannot be decoded.
    pub(crate) fn row_group_error(&self, row_group: usize, source: ParquetError) -> ReadError {
        let name = self.object.name.clone();
        self.file.take_failure().unwrap_or_else(|| ReadError::RowGroup { name, row_group, source })
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => other.is_string() || other.is_binary(),
    }
}

/// Reads row groups.
pub(super) fn read(
    opened: &Opened,
    outlet: &Outlet<Chunk>,
    part: Part,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let places = opened.places(part)?;
    let selection = Selection::new(&opened.names(), &opened.object, options)?;
    opened.check_text(selection.text)?;
    let fields = selection.carried.iter();
    // Nullable, whatever the file says: a row that cannot be decoded has no values.
    let fields = fields.map(|&index| opened.metadata.schema().field(index).clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut reading = Reading { opened, selection, schema, outlet, options, broken: 0 };
    places.into_iter().try_for_each(|place| reading.row_group(place))
}

struct Reading<'r> {
    opened: &'r Opened,
    selection: Selection,
    schema: SchemaRef,
    outlet: &'r Outlet<Chunk>,
    options: &'r ReadOptions,
    /// Rows of this row group that are no UTF-8.
    broken: usize,
}

/// Rows of a row group: which, and where it begins in the file.
#[derive(Clone)]
pub(crate) struct Place {
    row_group: usize,
    first: u64,
    rows: Range<usize>,
}

impl Place {
    fn part(&self, rows: Range<usize>) -> Self {
        Self { rows, ..self.clone() }
    }

    /// The rows as the file numbers them.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first;
        self.rows.clone().map(move |row| first + row as u64)
    }
}

impl Reading<'_> {
    fn row_group(&mut self, mut place: Place) -> Result<(), ReadError> {
        self.broken = 0;
        let all = u64::try_from(self.opened.footer().row_group(place.row_group).num_rows()).unwrap_or(0);
        let row_bytes = self.opened.bytes(place.row_group, &self.selection.roots()) / all.max(1);
        let fitting = self.options.chunk_bytes as u64 / row_bytes.max(1);
        let batch_rows = usize::try_from(fitting).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS);
        while !place.rows.is_empty() {
            place.rows.start = self.rows(&place, batch_rows)?;
        }
        Ok(())
    }

    /// Reads rows up to the last one or up to the first batch that holds what is no UTF-8; returns the next row.
    fn rows(&mut self, place: &Place, batch_rows: usize) -> Result<usize, ReadError> {
        let opened = self.opened;
        let failed = |error| opened.row_group_error(place.row_group, error);
        let roots = self.selection.roots();
        let batches = opened.batches(place.row_group, place.rows.clone(), &roots, batch_rows).map_err(failed)?;
        let mut begin = place.rows.start;
        for batch in batches {
            match batch {
                Ok(batch) => {
                    let end = begin + batch.num_rows();
                    self.send(&place.part(begin..end), &batch)?;
                    begin = end;
                }
                Err(error) => {
                    let end = (begin + batch_rows).min(place.rows.end);
                    let error = to_parquet(error);
                    if !is_not_utf8(&error) || self.broken >= MOST_BROKEN {
                        return Err(failed(error));
                    }
                    self.halve(&place.part(begin..end))?;
                    return Ok(end);
                }
            }
        }
        if begin < place.rows.end {
            let missing = format!("it ends after {begin} of {} rows", place.rows.end);
            return Err(failed(ParquetError::General(missing)));
        }
        Ok(begin)
    }

    /// Reads rows of which at least one is no UTF-8 in smaller and smaller parts, until that one stands alone: the
    /// decoder fails for a batch as a whole, but it is the row that is broken.
    fn halve(&mut self, place: &Place) -> Result<(), ReadError> {
        let Range { start, end } = place.rows;
        if end - start == 1 {
            self.broken += 1;
            return self.send_broken(place);
        }
        let middle = start + (end - start) / 2;
        for half in [start..middle, middle..end] {
            let rows = half.end - half.start;
            self.rows(&place.part(half), rows)?;
        }
        Ok(())
    }

    fn send_broken(&self, place: &Place) -> Result<(), ReadError> {
        let decoded = || -> Option<RecordBatch> {
            let roots = &self.selection.carried;
            let batch = self.opened.batches(place.row_group, place.rows.clone(), roots, 1).ok()?.next()?.ok()?;
            self.carried(&batch).ok()
        };
        let carried = decoded().unwrap_or_else(|| {
            let nulls = self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            RecordBatch::try_new_with_options(self.schema.clone(), nulls, &options).expect("columns of one null each")
        });
        let texts = vec![Err("the row holds text that is not UTF-8".to_owned())];
        self.outlet.send(Chunk { positions: place.positions().collect(), texts, carried })
    }

    /// The carried columns of a batch, in their order.
    fn carried(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let missing = || ArrowError::SchemaError(format!("no column {:?}", field.name()));
                batch.column_by_name(field.name()).cloned().ok_or_else(missing)
            })
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    /// Sends a batch as chunks of at most about so much text as the options say.
    fn send(&self, place: &Place, batch: &RecordBatch) -> Result<(), ReadError> {
        let failed = |error| self.opened.row_group_error(place.row_group, to_parquet(error));
        let carried = self.carried(batch).map_err(failed)?;
        let text = self.opened.metadata.schema().field(self.selection.text).name();
        let column = batch.column_by_name(text).expect("the text column was asked for");
        let mut texts = texts(column, longest(self.options)).into_iter();
        let positions: Vec<_> = place.positions().collect();
        let mut begin = 0;
        while begin < positions.len() {
            let mut bytes = 0;
            let mut chunk = Vec::new();
            for text in texts.by_ref() {
                bytes += text.as_ref().map_or_else(String::len, |text| text.len());
                chunk.push(text);
                if bytes >= self.options.chunk_bytes {
                    break;
                }
            }
            let end = begin + chunk.len();
            self.outlet.send(Chunk {
                positions: positions[begin..end].to_vec(),
                texts: chunk,
                carried: carried.slice(begin, end - begin),
            })?;
            begin = end;
        }
        Ok(())
    }
}

fn is_not_utf8(error: &ParquetError) -> bool {
    let said = error.to_string().to_lowercase();
    said.contains("utf-8") || said.contains("utf8")
}

/// Parquet's own error, of which its reader of batches makes a string.
pub(crate) fn to_parquet(error: ArrowError) -> ParquetError {
    match error {
        ArrowError::ParquetError(said) => {
            ParquetError::General(said.strip_prefix("Parquet error: ").unwrap_or(&said).to_owned())
        }
        error => ParquetError::ArrowError(error.to_string()),
    }
}

/// Each row's text.
fn texts(column: &ArrayRef, limit: usize) -> Vec<Result<Arc<str>, String>> {
    let strings = |text: Option<&str>| match text {
        Some(text) if text.len() > limit => Err(too_long("a text", Some(text.len() as u64), limit)),
        Some(text) => Ok(Arc::from(text)),
        None => Err("the text is null".to_owned()),
    };
    let bytes = |bytes: Option<&[u8]>| match bytes.map(utf8) {
        Some(Ok(text)) => strings(Some(text)),
        Some(Err(error)) => Err(format!("the text {error}")),
        None => strings(None),
    };
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(strings).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(strings).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(strings).collect(),
        DataType::Binary => column.as_binary::<i32>().iter().map(bytes).collect(),
        DataType::LargeBinary => column.as_binary::<i64>().iter().map(bytes).collect(),
        DataType::BinaryView => column.as_binary_view().iter().map(bytes).collect(),
        DataType::FixedSizeBinary(_) => column.as_fixed_size_binary().iter().map(bytes).collect(),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = texts(dictionary.values(), limit);
            if values.is_empty() {
                return vec![strings(None); column.len()];
            }
            let nulls = column.logical_nulls();
            let keys = dictionary.normalized_keys();
            (0..column.len())
                .map(|row| match nulls.as_ref() {
                    Some(nulls) if nulls.is_null(row) => strings(None),
                    _ => values[keys[row]].clone(),
                })
                .collect()
        }
        other => vec![Err(format!("the text is {other}")); column.len()],
    }
}
