//! Rows from lines of JSON, as `fathom observe -o json` and the agent's files have them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use schema::{Batch, COMMON, Kind, Origin, ProcessKey, Table};
use serde_json::{Map, Value as Json};

use super::ages::Ages;
use super::family::{Family, Told};
use super::turn::{EXE, PLACE, Turn};
use super::value;
use crate::cli::tables::distance;
use crate::signals;

/// Rows of a file.
pub(crate) struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    number: usize,
    tables: Vec<&'static Table>,
    family: Family,
    ages: Arc<Ages>,
}

/// Rows that are put in the order of time together.
const TOGETHER: usize = 65_536;

impl Lines {
    /// Opens a file; when its processes were born is told to `ages`.
    pub(crate) fn open(path: &Path, ages: Arc<Ages>) -> Result<Lines> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        Ok(Lines::of(name, Box::new(BufReader::new(file)), ages))
    }

    fn of(name: String, input: Box<dyn BufRead>, ages: Arc<Ages>) -> Lines {
        let (tables, family) = (signals::tables(), Family::default());
        Lines { name, input, number: 0, tables, family, ages }
    }

    /// The next rows; none at the end. A line that is no row is an error that says where and why.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Arc<Batch>>>> {
        let (mut turn, mut line) = (Turn::default(), Vec::new());
        while turn.len() < TOGETHER {
            line.clear();
            self.number += 1;
            let read = self.input.read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {}", self.name))? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let place = || format!("{}:{}", self.name, self.number);
            let json = serde_json::from_slice(&line);
            let json: Map<String, Json> = json.map_err(|error| not_json(&place(), &error))?;
            row(&self.tables, &json, &mut turn).map_err(|what| anyhow!("{}: {what}", place()))?;
        }
        let all = (turn.len() > 0).then(|| turn.finish(&mut self.family, &self.ages));
        Ok(all)
    }
}

fn not_json(place: &str, error: &serde_json::Error) -> anyhow::Error {
    // The line is the file's, not the one of the text that was parsed.
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    anyhow!("{place}:{}: this is not a row as JSON: {what}", error.column())
}

fn row(tables: &[&'static Table], json: &Map<String, Json>, turn: &mut Turn) -> Result<(), String> {
    let name = match json.get("table") {
        Some(Json::String(name)) => name,
        Some(other) => return Err(format!("`table` has to be a text, not {other}")),
        None => return Err("the row does not say of which `table` it is".to_string()),
    };
    let table = tables.iter().find(|table| table.name == name).ok_or_else(|| {
        let all = tables.iter().map(|table| table.name);
        format!("there is no table `{name}`{}", meant(name, all))
    })?;
    known_keys(table, json)?;
    let text = |name: &str| match json.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(format!("`{name}` has to be a text, not {other}")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("the row has no `{name}`"));
    let time = needed("time")?;
    let time = value::time(time).ok_or_else(|| {
        format!("`time` has to be like 2026-11-21T22:10:05.123456789Z, not `{time}`")
    })?;
    let process: ProcessKey = needed("process")?.parse()?;
    let tid = match json.get("tid") {
        None | Some(Json::Null) => process.pid,
        Some(tid) => tid
            .as_u64()
            .and_then(|tid| u32::try_from(tid).ok())
            .ok_or_else(|| format!("`tid` has to be a number, not {tid}"))?,
    };
    let mut comm = [0; 16];
    let name = text("comm")?.unwrap_or_default().as_bytes();
    let most = name.len().min(comm.len() - 1);
    comm[..most].copy_from_slice(&name[..most]);
    let mut told =
        Told { exe: text(COMMON[EXE].name)?.map(|exe| exe.as_bytes().into()), ..Told::default() };
    for (place, field) in told.place.iter_mut().zip(&COMMON[PLACE..]) {
        *place = text(field.name)?.map(Box::from);
    }
    let part = turn.part(table, text("node")?.unwrap_or_default());
    let origin = Origin { time, process, tid, cgroup: 0, comm };
    turn.append(part, origin, told, |rows| {
        for (field, column) in table.fields.iter().zip(&mut rows.columns) {
            // A row of an older release does not have the columns of a newer one.
            let value = json.get(field.name).unwrap_or(&Json::Null);
            let pushed = value::push_json(column, field.kind, value);
            pushed.map_err(|what| match field.kind {
                Kind::Process => format!("`{}`: {what}", field.name),
                _ => format!("`{}` {what}", field.name),
            })?;
        }
        Ok(())
    })
}

/// A key that is no column was typed wrongly, and would be taken for one that is not there.
fn known_keys(table: &Table, json: &Map<String, Json>) -> Result<(), String> {
    let columns = || COMMON.iter().chain(table.fields).map(|field| field.name);
    let unknown = json.keys().find(|key| *key != "table" && columns().all(|name| name != *key));
    match unknown {
        Some(key) => {
            Err(format!("`{}` has no column `{key}`{}", table.name, meant(key, columns())))
        }
        None => Ok(()),
    }
}

fn meant<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> String {
    match all.map(|word| (distance(name, word), word)).min() {
        Some((distance, near)) if distance <= 1 + name.len() / 3 => {
            format!("; did you mean `{near}`?")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use export::{Format, Json as Writer, Options};
    use schema::ImageFlags;

    use super::*;
    use crate::offline::samples::samples;

    fn read(text: &str) -> Result<Vec<Arc<Batch>>> {
        let input = Box::new(Cursor::new(text.to_string().into_bytes()));
        let mut lines = Lines::of("rows.jsonl".to_string(), input, Arc::default());
        let mut all = Vec::new();
        while let Some(turn) = lines.next()? {
            all.extend(turn);
        }
        Ok(all)
    }

    fn write(batches: &[Arc<Batch>]) -> String {
        let (mut out, mut writer) = (Vec::new(), Writer::new(Options::default()));
        batches.iter().for_each(|batch| writer.batch(batch, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_of_every_table_read_back() {
        for table in signals::tables() {
            let sample = Arc::new(samples(table));
            let text = write(std::slice::from_ref(&sample));
            let back = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(back.len(), 1);
            assert_eq!(back[0].columns, sample.columns, "{}", table.name);
            assert_eq!((&back[0].origin, &back[0].node), (&sample.origin, &sample.node));
            if !table.name.starts_with("process_") {
                assert_eq!(write(&back), text);
            }
        }
    }

    const COMMON_KEYS: &str = r#""time":"2026-11-21T22:10:05.000000000Z","node":"n","tid":1,"comm":"sh","exe":"/bin/dash","container":"c1","image":"i","pod":"p","namespace":"ns","workload":"Deployment/w""#;

    fn line(table: &str, pid: u32, rest: &str) -> String {
        format!(
            "{{\"table\":\"{table}\",\"process\":\"00000009-{pid:x}-{pid}\",\"pid\":{pid},{COMMON_KEYS}{rest}}}\n"
        )
    }

    #[test]
    fn processes_are_rebuilt_from_their_forks_and_execs() {
        let text = [
            line("process_exec", 5, r#","path_resolved":"/bin/dash","args":["sh","-c","x"],"cwd":"/tmp","vpid":1,"uid":33,"tty":"136:1","image_flags":["MEMFD"],"parent":"00000009-1-1""#),
            line("process_fork", 6, r#","parent":"00000009-5-5","vpid":2"#),
            line("process_exec", 7, r#","path_resolved":"/bin/cat","args":["cat"],"parent":"00000009-6-6""#),
            line("file_open", 8, r#","path":"/etc/shadow""#),
        ]
        .concat();
        let batches = read(&text).unwrap();
        let process = |table: &str, row: usize| {
            let batch = batches.iter().find(|batch| batch.table.name == table).unwrap();
            batch.process[row].clone()
        };
        let shell = process("process_exec", 0);
        assert_eq!(&*shell.facts.args, b"sh\0-c\0x\0");
        assert_eq!((shell.facts.vpid, shell.facts.tty), (1, 136 << 20 | 1));
        assert_eq!((shell.facts.credentials.uid, shell.facts.image.0), (33, ImageFlags::MEMFD));
        let container = shell.container.as_ref().unwrap();
        assert_eq!(container.names.workload.get().map(|it| &**it), Some("Deployment/w"));
        let child = process("process_fork", 0);
        assert_eq!((&child.facts.args, child.facts.vpid), (&shell.facts.args, 2));
        let pids = |process: &schema::Process| -> Vec<u32> {
            process.ancestors.iter().map(|it| it.key.pid).collect()
        };
        assert_eq!((pids(&shell), pids(&child)), (vec![], vec![5]));
        assert_eq!(pids(&process("process_exec", 1)), [6, 5]);
        let unknown = process("file_open", 0);
        assert!(unknown.reconstructed);
        assert_eq!((&*unknown.facts.comm, &*unknown.facts.exe), ("sh", &b"/bin/dash"[..]));
    }

    #[test]
    fn what_no_row_tells_of_is_not_made_up() {
        let failed =
            r#","path_resolved":null,"args":["cat"],"error":"ENOENT","parent":"00000009-1-1""#;
        let text = [
            line(
                "process_exec",
                5,
                r#","path_resolved":"/bin/dash","args":["sh"],"parent":"00000009-1-1""#,
            ),
            line("process_exec", 5, failed),
            line("file_open", 5, ""),
            line("file_chmod", 5, "").replace("/bin/dash", "/bin/other"),
            line("file_unlink", 5, "")
                .replace("\"c1\"", "\"c2\"")
                .replace("/bin/dash", "/bin/other"),
        ];
        let batches = read(&text.concat()).unwrap();
        let of = |table: &str| {
            let batch = batches.iter().find(|batch| batch.table.name == table).unwrap();
            batch.process.last().unwrap().clone()
        };
        for table in ["process_exec", "file_open"] {
            let process = of(table);
            assert_eq!((&*process.facts.args, process.reconstructed), (&b"sh\0"[..], false));
        }
        // It runs something else now; of the exec there is no row.
        let other = of("file_chmod");
        assert_eq!((&*other.facts.exe, &*other.facts.args), (&b"/bin/other"[..], &b""[..]));
        assert!(other.reconstructed);
        assert_eq!(other.container.as_ref().map(|it| it.id.as_str()), Some("c1"));
        assert_eq!(of("file_unlink").container.as_ref().map(|it| it.id.as_str()), Some("c2"));
    }

    #[test]
    fn rows_are_taken_in_the_order_of_their_times() {
        let early = line("process_exec", 5, r#","path_resolved":"/bin/dash","args":["sh"]"#);
        let late = line("file_open", 5, "").replace(":05.0", ":06.0");
        let batches = read(&(late + &early)).unwrap();
        let open = batches.iter().find(|batch| batch.table.name == "file_open").unwrap();
        assert_eq!(&*open.process[0].facts.args, b"sh\0");
    }

    #[test]
    fn a_bad_line_is_told_with_its_place() {
        let said = |text: &str| format!("{:#}", read(&format!("\n{text}")).unwrap_err());
        assert!(said("{\"a\":}").starts_with("rows.jsonl:2:6: this is not a row as JSON: "));
        assert_eq!(said("{}"), "rows.jsonl:2: the row does not say of which `table` it is");
        assert_eq!(
            said("{\"table\":\"file_opne\"}"),
            "rows.jsonl:2: there is no table `file_opne`; did you mean `file_open`?"
        );
        assert_eq!(
            said(&line("file_open", 1, ",\"pat\":\"/x\"")),
            "rows.jsonl:2: `file_open` has no column `pat`; did you mean `path`?"
        );
        assert_eq!(
            said(&line("file_open", 1, ",\"error\":\"ENOPE\"")),
            "rows.jsonl:2: `error` has to be an error like ENOENT, not `ENOPE`"
        );
        assert!(said("{\"table\":\"file_open\"}").ends_with("the row has no `time`"));
    }
}
