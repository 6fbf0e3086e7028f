//! Lines of `strace -f -y -v -xx` as rows of Fathom's tables.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use serde_json::{Value, json};
use testkit::bytes::Bytes;

/// Makes rows of what strace wrote.
pub(crate) fn rows(trace: impl BufRead) -> Vec<Value> {
    let mut reader = Reader::default();
    for (number, line) in trace.lines().enumerate() {
        reader.line(number, &line.expect("strace writes ASCII"));
    }
    // A thread may end before its creator's line says that it is one.
    let forked = reader.rows.iter().filter(|row| row["table"] == "process_fork");
    let forked: HashSet<u64> = forked.filter_map(|row| row["tid"].as_u64()).collect();
    let is_thread = |row: &Value| row["tid"].as_u64().is_none_or(|tid| !forked.contains(&tid));
    reader.rows.retain(|row| row["table"] != "process_exit" || !is_thread(row));
    reader.rows
}

#[derive(Default)]
struct Reader {
    /// Calls that have begun, by thread.
    begun: HashMap<u32, String>,
    /// The process of each thread that is not its first.
    process: HashMap<u32, u32>,
    rows: Vec<Value>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let (tid, text) = line.split_once(' ').expect("a line begins with a pid");
        let (tid, text) = (tid.parse().expect("a pid"), text.trim_start());
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            self.begun.insert(tid, begun.to_owned());
            return;
        }
        if text.starts_with("--- ") {
            return;
        }
        if let Some((begun, end)) = text.split_once(" <pid changed to ") {
            // An exec by a thread that takes the place of the process's first.
            let first = end.trim_end_matches(" ...>").parse().expect("a pid");
            self.begun.insert(first, begun.to_owned());
            self.process.remove(&tid);
            return;
        }
        if let Some(end) = text.strip_prefix("+++ ") {
            return self.ended(number, tid, end);
        }
        let Some(rest) = text.strip_prefix("<... ") else {
            return self.call(number, tid, text);
        };
        let (_, rest) = rest.split_once(" resumed>").expect("a call resumes");
        if let Some(begun) = self.begun.remove(&tid) {
            self.call(number, tid, &(begun + rest));
        }
    }

    fn push(&mut self, number: usize, tid: u32, mut row: Value) {
        row["time"] = format!("{number:012}").into();
        row["tid"] = tid.into();
        row["pid"] = self.process.get(&tid).copied().unwrap_or(tid).into();
        self.rows.push(row);
    }

    fn ended(&mut self, number: usize, tid: u32, end: &str) {
        if let Some(by) = end.strip_prefix("superseded by execve in pid ") {
            let by = by.trim_end_matches(" +++").parse().expect("a pid");
            if let Some(begun) = self.begun.remove(&by) {
                self.begun.insert(tid, begun);
            }
            self.process.remove(&by);
            return;
        }
        if self.process.remove(&tid).is_some() {
            return;
        }
        let (code, signal) = if let Some(code) = end.strip_prefix("exited with ") {
            (json!(code.trim_end_matches(" +++").parse::<u32>().expect("a code")), Value::Null)
        } else if let Some(signal) = end.strip_prefix("killed by ") {
            (Value::Null, json!(signal.split(' ').next()))
        } else {
            return;
        };
        self.push(
            number,
            tid,
            json!({"table": "process_exit", "exit_code": code, "signal": signal}),
        );
    }

    fn call(&mut self, number: usize, tid: u32, text: &str) {
        let Some((name, rest)) = text.split_once('(') else { return };
        let Some(at) = rest.rfind(" = ") else { return };
        let (args, result) = (rest[..at].trim_end().trim_end_matches(')'), &rest[at + 3..]);
        let args = split(args);
        let value = result.split([' ', '<']).next().unwrap_or("");
        let error = match value {
            "-1" => json!(result.split(' ').nth(1)),
            "?" => return,
            _ => Value::Null,
        };
        if matches!(name, "clone" | "clone3" | "fork" | "vfork") && error.is_null() {
            let child: u32 = value.parse().expect("a pid");
            let parent = self.process.get(&tid).copied().unwrap_or(tid);
            if text.contains("CLONE_THREAD") {
                self.process.insert(child, parent);
                // It may have been at work before its parent knew.
                let early = self.rows.iter_mut().rev().take(200).filter(|row| row["pid"] == child);
                early.for_each(|row| row["pid"] = parent.into());
            } else {
                let row = json!({"table": "process_fork", "parent_pid": parent});
                self.push(number, child, row);
            }
            return;
        }
        if let Some(mut row) = row(name, &args, result) {
            row["error"] = error;
            row["call"] = name.into();
            self.push(number, tid, row);
        }
    }
}

fn row(name: &str, args: &[&str], result: &str) -> Option<Value> {
    let a = |at: usize| args.get(at).copied().unwrap_or("");
    let mode = |at: usize| i64::from_str_radix(a(at), 8).ok();
    let id = |at: usize| a(at).parse::<i64>().ok();
    Some(match name {
        "open" => opened("AT_FDCWD", a(0), flags(a(1)), mode(2), result),
        "openat" => opened(a(0), a(1), flags(a(2)), mode(3), result),
        "openat2" => {
            let how = split(a(2).trim_matches(['{', '}']));
            let part = |name: &str| how.iter().find_map(|part| part.strip_prefix(name));
            let mode = part("mode=").and_then(|mode| i64::from_str_radix(mode, 8).ok());
            opened(a(0), a(1), flags(part("flags=").unwrap_or("")), mode, result)
        }
        "rename" => pair("file_rename", None, a(0), None, a(1)),
        "renameat" => pair("file_rename", Some(a(0)), a(1), Some(a(2)), a(3)),
        "renameat2" => {
            let mut row = pair("file_rename", Some(a(0)), a(1), Some(a(2)), a(3));
            row["flags"] = flags(a(4)).into();
            row
        }
        "link" => pair("file_link", None, a(0), None, a(1)),
        "linkat" => pair("file_link", Some(a(0)), a(1), Some(a(2)), a(3)),
        "symlink" => with(one("file_symlink", None, a(1)), "target", json!(text(a(0)))),
        "symlinkat" => with(one("file_symlink", Some(a(1)), a(2)), "target", json!(text(a(0)))),
        "unlink" => one("file_unlink", None, a(0)),
        "unlinkat" if a(2) == "AT_REMOVEDIR" => one("file_rmdir", Some(a(0)), a(1)),
        "unlinkat" => one("file_unlink", Some(a(0)), a(1)),
        "rmdir" => one("file_rmdir", None, a(0)),
        "mkdir" => with(one("file_mkdir", None, a(0)), "mode", json!(mode(1))),
        "mkdirat" => with(one("file_mkdir", Some(a(0)), a(1)), "mode", json!(mode(2))),
        "chmod" => with(one("file_chmod", None, a(0)), "mode", json!(mode(1))),
        "fchmodat" => with(one("file_chmod", Some(a(0)), a(1)), "mode", json!(mode(2))),
        "fchmod" => with(by_fd("file_chmod", a(0)), "mode", json!(mode(1))),
        "chown" | "lchown" => owner(one("file_chown", None, a(0)), id(1), id(2)),
        "fchownat" => owner(one("file_chown", Some(a(0)), a(1)), id(2), id(3)),
        "fchown" => owner(by_fd("file_chown", a(0)), id(1), id(2)),
        "truncate" => with(one("file_truncate", None, a(0)), "size", json!(id(1))),
        "ftruncate" => with(by_fd("file_truncate", a(0)), "size", json!(id(1))),
        "mount" => {
            let row = with(one("file_mount", None, a(1)), "source", text(a(0)).into());
            with(with(row, "filesystem", text(a(2)).into()), "flags", flags(a(3)).into())
        }
        "umount2" => with(one("file_umount", None, a(0)), "flags", flags(a(1)).into()),
        "execve" => {
            let args = split(a(1).trim_start_matches('[').trim_end_matches(']'));
            let args: Vec<_> = args.into_iter().map(text).collect();
            with(one("process_exec", None, a(0)), "args", json!(args))
        }
        _ => return None,
    })
}

fn opened(dirfd: &str, path: &str, flags: Vec<String>, mode: Option<i64>, result: &str) -> Value {
    let mut row = one("file_open", Some(dirfd), path);
    row["flags"] = flags.into();
    row["mode"] = mode.into();
    if let Some((fd, rest)) = result.split_once('<') {
        let (path, rest) = rest.rsplit_once('>').expect("a path ends");
        let deleted = if rest.contains("(deleted)") { " (deleted)" } else { "" };
        row["fd"] = fd.parse::<i64>().expect("an fd").into();
        row["path_resolved"] = (unhex(path).shown() + deleted).into();
    }
    row
}

/// A row of `table` about one path; `dirfd` is as strace shows it.
fn one(table: &str, dirfd: Option<&str>, path: &str) -> Value {
    json!({"table": table, "path": text(path), "dir": dir(dirfd, path)})
}

fn pair(table: &str, dirfd: Option<&str>, old: &str, newdirfd: Option<&str>, new: &str) -> Value {
    let row = with(one(table, dirfd, old), "new_path", text(new).into());
    with(row, "new_dir", dir(newdirfd, new))
}

fn by_fd(table: &str, fd: &str) -> Value {
    let number = fd.split('<').next().and_then(|fd| fd.parse::<i64>().ok());
    json!({"table": table, "path": null, "fd": number})
}

fn owner(row: Value, uid: Option<i64>, gid: Option<i64>) -> Value {
    with(with(row, "uid", json!(uid)), "gid", json!(gid))
}

fn with(mut row: Value, column: &str, value: Value) -> Value {
    row[column] = value;
    row
}

fn dir(dirfd: Option<&str>, path: &str) -> Value {
    let absolute = unhex(path.trim_matches('"')).0.starts_with(b"/");
    let shown = dirfd.and_then(|fd| fd.split_once('<'));
    match shown {
        Some((_, dir)) if !absolute => {
            unhex(dir.rsplit_once('>').map_or(dir, |(dir, _)| dir)).shown().into()
        }
        _ => Value::Null,
    }
}

fn text(arg: &str) -> Option<String> {
    arg.starts_with('"').then(|| unhex(arg.trim_matches('"')).shown())
}

/// What strace writes as `\x41\x42`.
fn unhex(text: &str) -> Bytes {
    let byte = |digits: &str| {
        u8::from_str_radix(digits.get(..2).unwrap_or(""), 16)
            .unwrap_or_else(|_| panic!("no hexadecimal byte in {digits:?} of {text:?}"))
    };
    text.split("\\x").skip(1).map(byte).collect::<Vec<_>>().into()
}

fn flags(text: &str) -> Vec<String> {
    let names = text.split('|').filter(|name| !name.starts_with('0'));
    names.map(str::to_owned).filter(|name| !name.is_empty()).collect()
}

/// Arguments at the commas that are in no bracket and no string.
fn split(args: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0, false, 0);
    for (at, byte) in args.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'[' | b'{' | b'(' if !quoted => depth += 1,
            b']' | b'}' | b')' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                parts.push(args[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = args[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}
