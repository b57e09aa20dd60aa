//! An inference request: texts as a tensor of strings in JSON or behind it in binary, and which tensors are wanted back.

use std::fmt;
use std::sync::Arc;

use dateline_engine::ModelInfo;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::tensor::Output;
use crate::body::utf8;
use crate::json::{Field, Source};
use crate::options::{OptionReader, Options};
use crate::problem::{Code, Problem};

/// The one tensor that goes in.
pub(super) const INPUT: &str = "text";

/// What a client asks.
#[derive(Debug)]
pub(super) struct Request {
    /// Goes back as it came.
    pub(super) id: Option<String>,
    pub(super) texts: Vec<Arc<str>>,
    /// The texts came as a column, `[n, 1]`, and so does what there is for each of them.
    pub(super) column: bool,
    pub(super) options: Options,
    /// What is wanted, and whether in binary.
    pub(super) outputs: Vec<(Output, bool)>,
}

impl Request {
    /// Reads a body, of which the first `header` bytes are JSON (all of them if that is not said) and the rest tensors.
    pub(super) fn parse(body: &[u8], header: Option<usize>, model: &ModelInfo, most: usize) -> Result<Self, Problem> {
        let header = header.unwrap_or(body.len());
        let Some((json, binary)) = body.split_at_checked(header) else {
            let detail = format!("the header is said to have {header} bytes, and the whole body has {}", body.len());
            return Err(Problem::of_field(Code::InvalidField, super::HEADER_LENGTH, detail));
        };
        let source = Source::body(utf8(json)?);
        let (mut id, mut input, mut outputs, mut parameters) = (None, None, None, Vec::new());
        for field in source.fields()? {
            match field.name.as_str() {
                "id" => id = source.value(&field)?,
                "inputs" => input = Some(only_input(source, &field)?),
                "outputs" => outputs = Some(field),
                "parameters" if is_null(&field) => {}
                "parameters" => parameters = source.object(field.value.get(), "`parameters`")?,
                name => {
                    let detail = format!("unknown field `{name}`; known are id, parameters, inputs, outputs");
                    return Err(at(source, &field, Problem::of_field(Code::UnknownField, name, detail)));
                }
            }
        }
        let input = input.ok_or_else(|| {
            let detail = format!("`inputs` is missing: a list of one tensor, `{INPUT}`");
            Problem::of_field(Code::MissingField, "inputs", detail)
        })?;
        let (options, all_binary) = read_parameters(source, &parameters, model)?;
        let outputs = match outputs {
            Some(field) if !is_null(&field) => read_outputs(source, &field, all_binary)?,
            _ => Output::ALL.map(|output| (output, all_binary)).to_vec(),
        };
        let (texts, column) = read_input(&input, binary, most)?;
        Ok(Self { id, texts, column, options, outputs })
    }
}

/// The single element of `inputs`.
fn only_input<'s>(source: Source<'s>, field: &Field<'s>) -> Result<Source<'s>, Problem> {
    match source.elements(field, 1)?.as_deref() {
        Ok([input]) => Ok(*input),
        other => {
            let count = other.map_or_else(|count| *count, <[_]>::len);
            let detail = format!("`inputs` has {count} tensors; the model takes one, `{INPUT}`");
            Err(at(source, field, Problem::of_field(Code::InvalidField, "inputs", detail)))
        }
    }
}

fn read_parameters(
    source: Source<'_>,
    parameters: &[Field<'_>],
    model: &ModelInfo,
) -> Result<(Options, bool), Problem> {
    let (mut reader, mut all_binary) = (OptionReader::new(std::slice::from_ref(model)), false);
    for field in parameters {
        match field.name.as_str() {
            _ if is_null(field) => {}
            "binary_data_output" => all_binary = source.value(field)?,
            // How Triton is to queue a request.
            "priority" | "timeout" => {}
            name @ ("offsets" | "min_score" | "labels") => {
                let value = match source.value(field)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                reader = reader.query(&[(name.to_owned(), value)]).map_err(|problem| at(source, field, problem))?;
            }
            name => {
                let known = "known are offsets, min_score, labels, binary_data_output, priority, timeout";
                let detail = format!("unknown parameter `{name}`; {known}");
                return Err(at(source, field, Problem::of_field(Code::UnknownField, name, detail)));
            }
        }
    }
    Ok((reader.finish()?, all_binary))
}

fn read_outputs<'s>(source: Source<'s>, field: &Field<'s>, all_binary: bool) -> Result<Vec<(Output, bool)>, Problem> {
    let most = Output::ALL.len();
    let elements = source.elements(field, most)?.map_err(|count| {
        let detail = format!("`outputs` has {count} tensors, and the model has {most}");
        at(source, field, Problem::of_field(Code::InvalidField, "outputs", detail))
    })?;
    let mut outputs: Vec<(Output, bool)> = Vec::with_capacity(elements.len());
    for element in elements {
        let (mut name, mut binary) = (None, all_binary);
        for field in element.fields_of("an element of `outputs`")? {
            match field.name.as_str() {
                "name" => name = Some(read_output(element, &field)?),
                "parameters" if is_null(&field) => {}
                "parameters" => {
                    for field in element.object(field.value.get(), "`parameters`")? {
                        if field.name != "binary_data" {
                            return Err(unknown(element, &field, "parameter of an output", "binary_data"));
                        }
                        binary = element.value(&field)?;
                    }
                }
                _ => return Err(unknown(element, &field, "field of an output", "name, parameters")),
            }
        }
        let name = name.ok_or_else(|| {
            let detail = "an element of `outputs` has no `name`";
            Problem::of_field(Code::MissingField, "outputs", detail)
        })?;
        if outputs.iter().any(|(output, _)| *output == name) {
            let detail = format!("the output {:?} is asked for twice", name.name());
            return Err(at(source, field, Problem::of_field(Code::InvalidField, "outputs", detail)));
        }
        outputs.push((name, binary));
    }
    Ok(outputs)
}

fn read_output<'s>(source: Source<'s>, field: &Field<'s>) -> Result<Output, Problem> {
    let name: String = source.value(field)?;
    Output::ALL.into_iter().find(|output| output.name() == name).ok_or_else(|| {
        let known: Vec<&str> = Output::ALL.iter().map(|output| output.name()).collect();
        let detail = format!("there is no output {name:?}; there are {}", known.join(", "));
        at(source, field, Problem::of_field(Code::InvalidField, "outputs", detail))
    })
}

/// The texts of the tensor `input`, and whether they are a column.
fn read_input(input: &Source<'_>, binary: &[u8], most: usize) -> Result<(Vec<Arc<str>>, bool), Problem> {
    let (mut name, mut datatype, mut shape, mut size, mut data) = (None, None, None, None, None);
    for field in input.fields_of("an element of `inputs`")? {
        match field.name.as_str() {
            "name" => name = Some(input.value::<String>(&field)?),
            "datatype" => datatype = Some(input.value::<String>(&field)?),
            "shape" => shape = Some(input.value::<Vec<usize>>(&field)?),
            "data" => data = Some(field),
            "parameters" if is_null(&field) => {}
            "parameters" => {
                for field in input.object(field.value.get(), "`parameters`")? {
                    match field.name.as_str() {
                        "binary_data_size" => size = Some(input.value::<usize>(&field)?),
                        // What MLServer's clients say of strings.
                        "content_type" => {}
                        _ => return Err(unknown(*input, &field, "parameter of an input", "binary_data_size")),
                    }
                }
            }
            _ => return Err(unknown(*input, &field, "field of an input", "name, datatype, shape, parameters, data")),
        }
    }
    let wrong = |detail: String| Problem::of_field(Code::InvalidField, "inputs", detail);
    if name.as_deref() != Some(INPUT) {
        return Err(wrong(format!("there is no input {:?}; there is {INPUT}", name.unwrap_or_default())));
    }
    if datatype.as_deref() != Some("BYTES") {
        let datatype = datatype.unwrap_or_default();
        return Err(wrong(format!("`{INPUT}` has the datatype {datatype:?}, and a text is BYTES")));
    }
    let (count, column) = match shape.as_deref() {
        Some(&[count]) => (count, false),
        Some(&[count, 1]) => (count, true),
        shape => {
            let shape = shape.unwrap_or_default();
            return Err(wrong(format!("`{INPUT}` has the shape {shape:?}: send [n], or [n, 1]")));
        }
    };
    if count > most {
        let detail = format!("{count} texts are more than the {most} that this service takes in one body");
        return Err(Problem::of_field(Code::TooManyDocuments, "inputs", detail));
    }
    if size.unwrap_or(0) != binary.len() {
        let said = size.unwrap_or(0);
        return Err(wrong(format!(
            "`binary_data_size` is {said}, and {} bytes follow the JSON; Inference-Header-Content-Length says where it ends",
            binary.len()
        )));
    }
    let texts = match (data, size) {
        (None, Some(_)) => read_binary(binary, count)?,
        (Some(data), None) => {
            let elements = input.elements(&data, most)?.map_err(|there| wrong(other_count(count, there)))?;
            let text = |element: &Source<'_>| Ok(Arc::from(element.element::<One>("data")?.0));
            elements.iter().map(text).collect::<Result<Vec<_>, Problem>>()?
        }
        (Some(_), Some(_)) => return Err(wrong("`data` and `binary_data_size` exclude each other".to_owned())),
        (None, None) => {
            let detail = "`data` is missing: a list of texts, or `binary_data_size` of what follows the JSON";
            return Err(Problem::of_field(Code::MissingField, "inputs", detail));
        }
    };
    if texts.len() != count {
        return Err(wrong(other_count(count, texts.len())));
    }
    Ok((texts, column))
}

fn other_count(said: usize, there: usize) -> String {
    format!("the shape says {said} texts, and there are {there}")
}

/// The elements of a BYTES tensor, each behind its length in four bytes, the lowest first.
fn read_binary(mut rest: &[u8], count: usize) -> Result<Vec<Arc<str>>, Problem> {
    let mut texts = Vec::with_capacity(count);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let element =
            usize::try_from(u32::from_le_bytes(*length)).ok().and_then(|length| after.split_at_checked(length));
        let Some((text, after)) = element.filter(|_| texts.len() < count) else { break };
        let number = texts.len();
        let text = std::str::from_utf8(text).map_err(|error| {
            let detail =
                format!("the text {number} (from 0) is not valid UTF-8 at its byte {} (from 0)", error.valid_up_to());
            Problem::of_field(Code::InvalidUtf8, "inputs", detail)
        })?;
        texts.push(Arc::from(text));
        rest = after;
    }
    if !rest.is_empty() {
        let detail = format!(
            "the binary tensor is not {count} texts, each behind its length in four bytes: {} bytes are left after {}",
            rest.len(),
            texts.len()
        );
        return Err(Problem::of_field(Code::InvalidField, "inputs", detail));
    }
    Ok(texts)
}

/// A text, by itself or as a row of one.
struct One(String);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneVisitor;

        impl<'de> Visitor<'de> for OneVisitor {
            type Value = One;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<One, E> {
                Ok(One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<One, A::Error> {
                let text = row.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &"a row of one string"))?;
                match row.next_element::<String>()? {
                    None => Ok(One(text)),
                    Some(_) => Err(A::Error::invalid_length(2, &"a row of one string")),
                }
            }
        }

        deserializer.deserialize_any(OneVisitor)
    }
}

fn is_null(field: &Field<'_>) -> bool {
    let value: &RawValue = field.value;
    value.get() == "null"
}

fn at(source: Source<'_>, field: &Field<'_>, problem: Problem) -> Problem {
    problem.at(source.place_of(field.value.get()))
}

fn unknown(source: Source<'_>, field: &Field<'_>, what: &str, known: &str) -> Problem {
    let detail = format!("unknown {what} `{}`; known: {known}", field.name);
    at(source, field, Problem::of_field(Code::UnknownField, field.name.clone(), detail))
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, OffsetUnit};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn model() -> ModelInfo {
        ModelInfo {
            name: "one".to_owned(),
            labels: ["PLACE", "UNIT"].map(Label::new).to_vec(),
            architecture: "Fake".to_owned(),
            window_tokens: 8,
            precision: dateline_model::Precision::F32,
        }
    }

    fn parse(json: &Value, binary: &[u8]) -> Result<Request, Problem> {
        let json = json.to_string();
        let header = (!binary.is_empty()).then_some(json.len());
        Request::parse(&[json.as_bytes(), binary].concat(), header, &model(), 3)
    }

    fn tensor(shape: &[usize], data: Value) -> Value {
        json!({"inputs": [{"name": "text", "shape": shape, "datatype": "BYTES", "data": data}]})
    }

    fn texts(request: &Request) -> Vec<&str> {
        request.texts.iter().map(|text| &**text).collect()
    }

    fn bytes(texts: &[String]) -> Vec<u8> {
        texts
            .iter()
            .flat_map(|text| [&u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat())
            .collect()
    }

    #[test]
    fn reads_json() {
        let mut body = tensor(&[2], json!(["🚀 Kyiv", "\0"]));
        body["id"] = json!("a1");
        body["parameters"] =
            json!({"offsets": "utf16", "min_score": 0.5, "labels": "UNIT", "priority": 1, "timeout": null});
        body["outputs"] = json!([{"name": "score"}, {"name": "mentions", "parameters": {"binary_data": true}}]);
        let request = parse(&body, b"").unwrap();
        assert_eq!(
            (texts(&request), request.column, request.id.as_deref()),
            (vec!["🚀 Kyiv", "\0"], false, Some("a1"))
        );
        assert_eq!(request.outputs, [(Output::Score, false), (Output::Mentions, true)]);
        assert_eq!((request.options.offsets, request.options.filter.min_score), (OffsetUnit::Utf16, 0.5));
        assert_eq!(request.options.filter.labels.unwrap().len(), 1);
        for data in [json!(["a", "b"]), json!([["a"], ["b"]])] {
            let request = parse(&tensor(&[2, 1], data), b"").unwrap();
            assert_eq!((texts(&request), request.column), (vec!["a", "b"], true));
            assert_eq!(request.outputs, Output::ALL.map(|output| (output, false)));
        }
        assert!(parse(&tensor(&[0], json!([])), b"").unwrap().texts.is_empty());
    }

    #[test]
    fn says_what_is_wrong() {
        let right = tensor(&[1], json!(["a"]));
        let input = |name: &str, value: Value| {
            let mut body = right.clone();
            body["inputs"][0][name] = value;
            body
        };
        let with = |name: &str, value: Value| {
            let mut body = right.clone();
            body[name] = value;
            body
        };
        for (body, code, says) in [
            (json!({}), Code::MissingField, "`inputs` is missing"),
            (with("inputs", json!([])), Code::InvalidField, "0 tensors"),
            (with("inputs", json!([1, 2])), Code::InvalidField, "2 tensors"),
            (with("inptus", json!([])), Code::UnknownField, "inptus"),
            (with("parameters", json!({"offsetz": "byte"})), Code::UnknownField, "offsets"),
            (with("parameters", json!({"sequence_id": 7})), Code::UnknownField, "sequence_id"),
            (with("parameters", json!({"offsets": "char"})), Code::InvalidField, "codepoint"),
            (with("parameters", json!({"min_score": 2})), Code::InvalidField, "between 0 and 1"),
            (with("parameters", json!({"labels": "CITY"})), Code::InvalidField, "PLACE, UNIT"),
            (with("outputs", json!([{"name": "logits"}])), Code::InvalidField, "mentions, document"),
            (with("outputs", json!([{"name": "end"}, {"name": "end"}])), Code::InvalidField, "twice"),
            (with("outputs", json!([{}])), Code::MissingField, "no `name`"),
            (
                with("outputs", json!([{"name": "end", "parameters": {"classification": 1}}])),
                Code::UnknownField,
                "classification",
            ),
            (input("name", json!("TEXT")), Code::InvalidField, "no input \"TEXT\""),
            (input("datatype", json!("FP32")), Code::InvalidField, "BYTES"),
            (input("shape", json!([1, 2])), Code::InvalidField, "[n, 1]"),
            (input("shape", json!([2])), Code::InvalidField, "there are 1"),
            (input("shape", json!([4])), Code::TooManyDocuments, "more than the 3"),
            (input("data", json!(["a", "b", "c", "d"])), Code::InvalidField, "there are 4"),
            (input("data", json!([5])), Code::InvalidField, "expected a string"),
            (input("data", json!([["a", "b"]])), Code::InvalidField, "a row of one string"),
            (input("parameters", json!({"shared_memory_region": "x"})), Code::UnknownField, "shared_memory_region"),
            (input("parameters", json!({"binary_data_size": 5})), Code::InvalidField, "0 bytes follow"),
        ] {
            let problem = parse(&body, b"").unwrap_err();
            assert_eq!(problem.code, code, "{body}: {}", problem.detail);
            assert!(problem.detail.contains(says), "{body}: {}", problem.detail);
        }
        let problem = Request::parse(b"{}", Some(3), &model(), 3).unwrap_err();
        assert!(problem.detail.contains("3 bytes"), "{}", problem.detail);
    }

    fn binary(shape: &[usize], size: usize) -> Value {
        let parameters = json!({"binary_data_size": size});
        json!({"inputs": [{"name": "text", "shape": shape, "datatype": "BYTES", "parameters": parameters}]})
    }

    #[test]
    fn a_broken_tensor_is_no_texts() {
        let whole = bytes(&["🚀 Kyiv".to_owned(), String::new()]);
        assert_eq!(texts(&parse(&binary(&[2, 1], whole.len()), &whole).unwrap()), ["🚀 Kyiv", ""]);
        for cut in 1..whole.len() {
            let problem = parse(&binary(&[2], cut), &whole[..cut]).unwrap_err();
            assert_eq!(problem.code, Code::InvalidField, "cut at {cut}: {}", problem.detail);
        }
        let problem = parse(&binary(&[1], whole.len()), &whole).unwrap_err();
        assert!(problem.detail.contains("4 bytes are left after 1"), "{}", problem.detail);
        assert!(parse(&binary(&[2], whole.len() - 1), &whole).unwrap_err().detail.contains("follow the JSON"));
        let problem = parse(&binary(&[1], 6), b"\x02\0\0\0a\xff").unwrap_err();
        assert_eq!(problem.code, Code::InvalidUtf8);
        assert!(problem.detail.contains("byte 1 "), "{}", problem.detail);
    }

    proptest! {
        #[test]
        fn any_texts_come_through(texts in prop::collection::vec(any::<String>(), 1..4)) {
            let binary_texts = bytes(&texts);
            let request = parse(&binary(&[texts.len()], binary_texts.len()), &binary_texts).unwrap();
            prop_assert_eq!(self::texts(&request), texts.iter().map(String::as_str).collect::<Vec<_>>());
            let request = parse(&tensor(&[texts.len()], json!(texts)), b"").unwrap();
            prop_assert_eq!(self::texts(&request), texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
