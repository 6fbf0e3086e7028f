//! Rows as JSON lines, as `fathom observe -o json` writes them, read back into batches.

use std::collections::HashMap;
use std::sync::Arc;

use schema::plain::words;
use schema::{
    Ancestor, Batch, Cell, Container, ContainerNames, Credentials, Decoded, FlagNames, ImageFlags,
    Kind, Namespaces, Origin, PodName, Process, ProcessFacts, ProcessKey, Runtime, Table,
};
use serde_json::Value;

/// The tables that rules are asked about.
pub(crate) fn tables() -> Vec<&'static Table> {
    let signals = [
        &signal_file::FILE,
        &signal_privilege::PRIVILEGE,
        &signal_process::PROCESS,
        &signal_socket::SOCKET,
    ];
    signals.iter().flat_map(|signal| signal.tables).copied().collect()
}

/// The rows of `text`, a batch each. A bad line is a panic that names it.
pub(crate) fn read(text: &str, file: &str) -> Vec<Arc<Batch>> {
    let mut known = HashMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        let row: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}:{}: {error}", at + 1));
        batch(&row, &mut known).unwrap_or_else(|| panic!("{file}:{}: {line}", at + 1))
    };
    lines.map(read).collect()
}

fn batch(row: &Value, known: &mut HashMap<ProcessKey, Arc<Process>>) -> Option<Arc<Batch>> {
    let table = tables().into_iter().find(|table| row["table"] == table.name)?;
    let key: ProcessKey = row["process"].as_str()?.parse().ok()?;
    let process = process(row, key, known)?;
    known.insert(key, process.clone());
    let mut comm = [0; 16];
    let name = row["comm"].as_str()?.as_bytes();
    comm[..name.len()].copy_from_slice(name);
    let mut decoded = Decoded::new(table);
    let tid = row["tid"].as_u64()? as u32;
    decoded.origin.push(Origin { time: time(&row["time"])?, process: key, tid, cgroup: 1, comm });
    for (field, column) in table.fields.iter().zip(&mut decoded.columns) {
        let value = row.get(field.name)?;
        if value.is_null() {
            column.push_null();
            continue;
        }
        match field.kind {
            Kind::Process => value.as_str()?.parse::<ProcessKey>().ok()?.push(column),
            Kind::Args => args(value)?.as_slice().push(column),
            Kind::Ip => value.as_str()?.parse::<std::net::IpAddr>().ok()?.push(column),
            Kind::Bool => value.as_bool()?.push(column),
            Kind::Text | Kind::Path | Kind::Peer(_) => value.as_str()?.push(column),
            Kind::Time | Kind::Int | Kind::Errno | Kind::Signal => {
                signed(field.kind, value)?.push(column);
            }
            kind => unsigned(kind, value)?.push(column),
        }
    }
    Some(Arc::new(decoded.with_processes(row["node"].as_str()?.into(), vec![process])))
}

/// The row's process: made anew by an exec, its parent's by a fork, else as it is known.
fn process(
    row: &Value,
    key: ProcessKey,
    known: &HashMap<ProcessKey, Arc<Process>>,
) -> Option<Arc<Process>> {
    let parent = || row["parent"].as_str()?.parse::<ProcessKey>().ok();
    let executed = row["table"] == "process_exec" && row["error"].is_null();
    let forked = row["table"] == "process_fork";
    let facts = match known.get(&key) {
        _ if executed => facts(row, parent()?)?,
        _ if forked && known.contains_key(&parent()?) => {
            let mut facts = known[&parent()?].facts.clone();
            facts.parent = parent()?;
            facts
        }
        Some(process) => return Some(process.clone()),
        None => ProcessFacts {
            comm: row["comm"].as_str()?.into(),
            exe: row["exe"].as_str().unwrap_or_default().as_bytes().into(),
            loginuid: u32::MAX,
            ..ProcessFacts::default()
        },
    };
    let ancestors = known.get(&facts.parent).map_or_else(Vec::new, |above| {
        let args = above.facts.args.clone();
        let (comm, exe) = (above.facts.comm.clone(), above.facts.exe.clone());
        let first = Arc::new(Ancestor { key: above.key, comm, exe, args });
        std::iter::once(first).chain(above.ancestors.iter().cloned()).collect()
    });
    let (ancestors, container) = (ancestors.into(), container(row));
    let reconstructed = !executed && !forked;
    let (ancestors_cut, container) = (false, container.map(Arc::new));
    Some(Arc::new(Process { key, facts, ancestors, ancestors_cut, container, reconstructed }))
}

fn facts(row: &Value, parent: ProcessKey) -> Option<ProcessFacts> {
    let number = |name: &str| row[name].as_u64().map(|it| it as u32);
    let bits = |name: &str| unsigned(Kind::Capabilities, &row[name]);
    Some(ProcessFacts {
        parent,
        comm: row["comm"].as_str()?.into(),
        exe: row["path_resolved"].as_str()?.as_bytes().into(),
        args: args(&row["args"])?.into(),
        args_truncated: row["args_truncated"].as_bool()?,
        cwd: row["cwd"].as_str().unwrap_or_default().as_bytes().into(),
        cgroup: 1,
        vpid: number("vpid")?,
        session: number("session")?,
        pgid: number("pgid")?,
        tty: unsigned(Kind::Device, &row["tty"]).unwrap_or(0) as u32,
        loginuid: number("loginuid").unwrap_or(u32::MAX),
        credentials: Credentials {
            uid: number("uid")?,
            gid: number("gid")?,
            euid: number("euid")?,
            egid: number("egid")?,
            cap_permitted: bits("cap_permitted")?,
            cap_effective: bits("cap_effective")?,
            cap_inheritable: bits("cap_inheritable")?,
        },
        namespaces: Namespaces { mnt: number("ns_mnt")?, ..Namespaces::default() },
        exe_inode: row["inode"].as_u64()?,
        exe_device: unsigned(Kind::Device, &row["device"])? as u32,
        exe_ctime: time(&row["exe_ctime"]).unwrap_or(0),
        exe_mtime: time(&row["exe_mtime"]).unwrap_or(0),
        image: ImageFlags(unsigned(Kind::Flags(ImageFlags::NAMES), &row["image_flags"])? as u32),
    })
}

fn container(row: &Value) -> Option<Container> {
    let names = ContainerNames::default();
    let text = |name: &str| row[name].as_str().map(Arc::<str>::from);
    if let Some(image) = text("image") {
        let _ = names.image.set(image);
    }
    if let (Some(name), Some(namespace)) = (text("pod"), text("namespace")) {
        let _ = names.pod.set(PodName { namespace, name });
    }
    if let Some(workload) = text("workload") {
        let _ = names.workload.set(workload);
    }
    let id = row["container"].as_str()?.to_string();
    Some(Container { id, runtime: Runtime::Containerd, pod_uid: None, qos: None, names })
}

fn args(value: &Value) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for arg in value.as_array()? {
        all.extend_from_slice(arg.as_str()?.as_bytes());
        all.push(0);
    }
    Some(all)
}

fn signed(kind: Kind, value: &Value) -> Option<i64> {
    match kind {
        Kind::Time => time(value),
        Kind::Errno => named(value.as_str()?, "errno", words::errno),
        Kind::Signal => named(value.as_str()?, "signal", words::signal),
        _ => value.as_i64(),
    }
}

/// A number that has a name; one without is told as `signal 0`.
fn named(text: &str, what: &str, name: fn(i64) -> Option<&'static str>) -> Option<i64> {
    let number = text.strip_prefix(what).and_then(|rest| rest.trim().parse().ok());
    number.or_else(|| (1..600).find(|it| name(*it) == Some(text)))
}

fn unsigned(kind: Kind, value: &Value) -> Option<u64> {
    match kind {
        Kind::Flags(names) => set(names, value),
        Kind::Capabilities => set(words::CAPABILITIES, value),
        Kind::Mode => u64::from_str_radix(value.as_str()?, 8).ok(),
        Kind::Device => {
            let (major, minor) = value.as_str()?.split_once(':')?;
            Some(major.parse::<u64>().ok()? << 20 | minor.parse::<u64>().ok()?)
        }
        _ => value.as_u64(),
    }
}

fn set(names: FlagNames, value: &Value) -> Option<u64> {
    let mut bits = 0;
    for name in value.as_array()? {
        let name = name.as_str()?;
        let known = names.iter().find(|(_, it)| *it == name).map(|(mask, _)| *mask);
        bits |= known.or_else(|| u64::from_str_radix(name.strip_prefix("0x")?, 16).ok())?;
    }
    Some(bits)
}

/// `2026-11-22T08:00:00.123456789Z` as nanoseconds since 1970.
fn time(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    // Days since 1970 of a year that begins in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    let seconds = ((days * 24 + part(11, 13)?) * 60 + part(14, 16)?) * 60 + part(17, 19)?;
    Some(seconds * 1_000_000_000 + part(20, 29)?)
}
