//! Rows in the forms that clients ask for.
//!
//! A [`Writer`] turns an answer into bytes a piece at a time, so that memory stays bounded
//! whatever the size of the answer.

use std::io::Write;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonFormat;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use axum::http::{HeaderMap, header};
use query::Completeness;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// A form of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One object.
    Json,
    /// An object a line.
    Lines,
    Csv,
    Arrow,
}

/// Turns one answer into bytes.
pub(crate) enum Writer {
    Json(Box<arrow::json::Writer<Vec<u8>, Listed>>),
    Lines(Box<arrow::json::Writer<Vec<u8>, Lined>>),
    Csv(Vec<u8>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

/// Objects with commas between them.
#[derive(Debug, Default)]
pub(crate) struct Listed;

/// An object a line.
#[derive(Debug, Default)]
pub(crate) struct Lined;

const FORMS: [(Form, &str); 4] = [
    (Form::Json, "application/json"),
    (Form::Lines, "application/x-ndjson"),
    (Form::Csv, "text/csv"),
    (Form::Arrow, "application/vnd.apache.arrow.stream"),
];

/// RFC 3339 with nanoseconds; `Z` where it is UTC, which all of our columns are.
const UTC: &str = "%Y-%m-%dT%H:%M:%S%.9fZ";
const WITH_OFFSET: &str = "%Y-%m-%dT%H:%M:%S%.9f%:z";
const NO_ZONE: &str = "%Y-%m-%dT%H:%M:%S%.9f";

impl Form {
    /// The form that the client likes best of those that there are.
    pub(crate) fn accepted(headers: &HeaderMap) -> Result<Form, Refusal> {
        let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best: Option<(f32, Form)> = None;
        let mut any = false;
        for range in accept.flat_map(|value| value.split(',')) {
            any = true;
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            let weight = weight.unwrap_or(1.0);
            let found = FORMS.iter().find(|(_, known)| {
                let kind = known.split('/').next().unwrap_or_default();
                name == "*/*" || name == *known || name.strip_suffix("/*") == Some(kind)
            });
            if let Some((form, _)) = found
                && weight > 0.0
                && best.is_none_or(|(most, _)| weight > most)
            {
                best = Some((weight, *form));
            }
        }
        match best {
            Some((_, form)) => Ok(form),
            None if !any => Ok(Form::Json),
            None => {
                let names: Vec<_> = FORMS.iter().map(|(_, name)| *name).collect();
                Err(Refusal::NotAcceptable(format!("answers are {}", names.join(", "))))
            }
        }
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Form::Csv => "text/csv; charset=utf-8; header=present",
            _ => FORMS.iter().find(|(form, _)| *form == self).map_or("", |(_, name)| name),
        }
    }

    /// A writer of an answer with these columns, and its first bytes.
    pub(crate) fn begin(
        self,
        schema: &SchemaRef,
        completeness: &Completeness,
    ) -> Result<(Writer, Vec<u8>), ArrowError> {
        Ok(match self {
            Form::Json => {
                let columns: Vec<_> = schema.fields().iter().map(|it| told(it)).collect();
                let start = format!(
                    "{{\"columns\":{},\"completeness\":{},\"rows\":[",
                    Value::from(columns),
                    serde_json::to_value(completeness).unwrap_or_default(),
                );
                (Writer::Json(Box::new(objects(schema).build(Vec::new()))), start.into_bytes())
            }
            Form::Lines => (Writer::Lines(Box::new(lines(schema))), Vec::new()),
            Form::Csv => {
                let mut head = Vec::new();
                for (at, field) in schema.fields().iter().enumerate() {
                    separate(&mut head, at);
                    quoted(&mut head, field.name());
                }
                head.push(b'\n');
                (Writer::Csv(Vec::new()), head)
            }
            Form::Arrow => {
                let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
                let head = std::mem::take(writer.get_mut());
                (Writer::Arrow(Box::new(writer)), head)
            }
        })
    }
}

impl Writer {
    /// The bytes of these rows.
    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        Ok(match self {
            Writer::Json(writer) => {
                writer.write(batch)?;
                std::mem::take(writer.get_mut())
            }
            Writer::Lines(writer) => {
                writer.write(batch)?;
                std::mem::take(writer.get_mut())
            }
            Writer::Csv(out) => {
                csv(out, batch)?;
                std::mem::take(out)
            }
            Writer::Arrow(writer) => {
                writer.write(batch)?;
                std::mem::take(writer.get_mut())
            }
        })
    }

    /// The bytes that end a whole answer; `rest` are more members of the object.
    pub(crate) fn end(self, rest: &[(&str, Value)]) -> Result<Vec<u8>, ArrowError> {
        Ok(match self {
            Writer::Json(_) => object_end(rest),
            Writer::Lines(_) | Writer::Csv(_) => Vec::new(),
            Writer::Arrow(mut writer) => {
                writer.finish()?;
                std::mem::take(writer.get_mut())
            }
        })
    }

    /// The bytes that end an answer that broke off; none where the form has no words for it.
    pub(crate) fn broken(self, refusal: &Refusal) -> Option<Vec<u8>> {
        match self {
            Writer::Json(_) => Some(object_end(&[("error", refusal.error())])),
            _ => None,
        }
    }
}

impl JsonFormat for Listed {
    fn start_row<W: Write>(&self, writer: &mut W, first: bool) -> Result<(), ArrowError> {
        writer.write_all(if first { b"\n" } else { b",\n" })?;
        Ok(())
    }
}

impl JsonFormat for Lined {
    fn end_row<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        writer.write_all(b"\n")?;
        Ok(())
    }
}

/// A writer of rows as objects, an object a line.
pub(crate) fn lines(schema: &Schema) -> arrow::json::Writer<Vec<u8>, Lined> {
    objects(schema).build(Vec::new())
}

/// How rows are told as objects: every column, times as RFC 3339 with nanoseconds.
pub(crate) fn objects(schema: &Schema) -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_tz_format(zoned(schema).to_string())
        .with_timestamp_format(NO_ZONE.to_string())
}

fn object_end(members: &[(&str, Value)]) -> Vec<u8> {
    let mut end = b"\n]".to_vec();
    for (name, value) in members {
        end.extend_from_slice(format!(",{}:{value}", json!(name)).as_bytes());
    }
    end.extend_from_slice(b"}\n");
    end
}

fn told(field: &Field) -> Value {
    json!({ "name": field.name(), "type": field.data_type().to_string() })
}

/// The format of times with a zone: where one is not UTC, all say their offset.
fn zoned(schema: &Schema) -> &'static str {
    let elsewhere = |field: &&std::sync::Arc<Field>| match field.data_type() {
        DataType::Timestamp(_, Some(zone)) => !matches!(zone.as_ref(), "UTC" | "+00:00" | "Z"),
        _ => false,
    };
    if schema.fields().iter().any(|it| elsewhere(&it)) { WITH_OFFSET } else { UTC }
}

/// Appends rows as RFC 4180 says, with one line feed after each; null is empty, an empty text
/// is `""`.
fn csv(out: &mut Vec<u8>, batch: &RecordBatch) -> Result<(), ArrowError> {
    let schema = batch.schema();
    let options = FormatOptions::new()
        .with_timestamp_tz_format(Some(zoned(&schema)))
        .with_timestamp_format(Some(NO_ZONE));
    let columns: Result<Vec<_>, _> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect();
    let columns = columns?;
    for row in 0..batch.num_rows() {
        for (at, (column, array)) in columns.iter().zip(batch.columns()).enumerate() {
            separate(out, at);
            if array.is_valid(row) {
                quoted(out, &column.value(row).try_to_string()?);
            }
        }
        out.push(b'\n');
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, DurationNanosecondArray, Float64Array, Int64Array, StringArray,
        TimestampNanosecondArray, UInt64Array,
    };
    use arrow::ipc::reader::StreamReader;

    use super::*;

    fn batch() -> RecordBatch {
        let time = TimestampNanosecondArray::from(vec![1, 1_700_000_000_123_456_789]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(time.clone().with_timezone("UTC"))),
            ("local", Arc::new(time)),
            ("path", Arc::new(StringArray::from(vec![Some("/a,\"b\"\n"), Some("")]))),
            ("count", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
            ("left", Arc::new(Int64Array::from(vec![i64::MIN, 0]))),
            ("share", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("took", Arc::new(DurationNanosecondArray::from(vec![1_500_000_000, 2_000_000_000]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
            .unwrap()
    }

    fn written(form: Form) -> Vec<u8> {
        let batch = batch();
        let (mut writer, mut out) = form.begin(&batch.schema(), &Completeness::default()).unwrap();
        for row in 0..2 {
            out.extend(writer.rows(&batch.slice(row, 1)).unwrap());
        }
        out.extend(writer.end(&[("cut", json!(false))]).unwrap());
        out
    }

    #[test]
    fn json_is_one_object_with_exact_numbers_and_times() {
        let text = String::from_utf8(written(Form::Json)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["columns"][0]["name"], "time");
        assert_eq!(value["cut"], false);
        let rows = value["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["time"], "1970-01-01T00:00:00.000000001Z");
        assert_eq!(rows[1]["time"], "2023-11-14T22:13:20.123456789Z");
        assert_eq!(rows[1]["local"], "2023-11-14T22:13:20.123456789");
        assert_eq!(rows[0]["count"], u64::MAX);
        assert_eq!(rows[0]["left"], i64::MIN);
        assert_eq!(rows[0]["path"], "/a,\"b\"\n");
        assert!(rows[1]["count"].is_null() && rows[1]["ok"].is_null());
        assert!(rows[1]["share"].is_null(), "JSON has no NaN");
    }

    #[test]
    fn an_answer_that_broke_off_says_so_as_its_last_member() {
        let batch = batch();
        let (mut writer, mut out) =
            Form::Json.begin(&batch.schema(), &Completeness::default()).unwrap();
        out.extend(writer.rows(&batch).unwrap());
        out.extend(writer.broken(&Refusal::NoStore).unwrap());
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["rows"].as_array().unwrap().len(), 2);
        assert!(value["error"]["message"].as_str().unwrap().contains("store.directory"));
        assert!(value.get("cut").is_none());
        for form in [Form::Lines, Form::Csv, Form::Arrow] {
            let (writer, _) = form.begin(&batch.schema(), &Completeness::default()).unwrap();
            assert!(writer.broken(&Refusal::NoStore).is_none());
        }
    }

    #[test]
    fn lines_are_objects() {
        let text = String::from_utf8(written(Form::Lines)).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["path"], "");
    }

    #[test]
    fn csv_quotes_and_tells_null_from_empty() {
        let text = String::from_utf8(written(Form::Csv)).unwrap();
        assert_eq!(
            text,
            "time,local,path,count,left,share,ok,took\n\
             1970-01-01T00:00:00.000000001Z,1970-01-01T00:00:00.000000001,\"/a,\"\"b\"\"\n\",\
             18446744073709551615,-9223372036854775808,0.5,true,PT1.5S\n\
             2023-11-14T22:13:20.123456789Z,2023-11-14T22:13:20.123456789,\"\",,0,NaN,,PT2S\n"
        );
    }

    #[test]
    fn arrow_reads_back_the_same() {
        let bytes = written(Form::Arrow);
        let read: Result<Vec<_>, _> =
            StreamReader::try_new(bytes.as_slice(), None).unwrap().collect();
        assert_eq!(read.unwrap(), [batch().slice(0, 1), batch().slice(1, 1)]);
    }

    #[test]
    fn the_form_is_what_the_client_likes_best() {
        let form = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Form::accepted(&headers)
        };
        assert_eq!(Form::accepted(&HeaderMap::new()), Ok(Form::Json));
        assert_eq!(form("*/*"), Ok(Form::Json));
        assert_eq!(form("text/*"), Ok(Form::Csv));
        assert_eq!(form("text/html, application/x-ndjson;q=0.5, text/csv;q=0.9"), Ok(Form::Csv));
        assert_eq!(form("Application/vnd.apache.arrow.stream"), Ok(Form::Arrow));
        assert!(matches!(form("text/html"), Err(Refusal::NotAcceptable(_))));
        assert!(matches!(form("text/csv;q=0"), Err(Refusal::NotAcceptable(_))));
    }
}
