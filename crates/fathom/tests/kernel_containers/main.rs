//! Real containers, made by containerd and runc: their rows say which container, which image and
//! which pod they are of, from the first one on. On this host and on every kernel of the matrix.

mod containerd;
mod cri;
mod observer;
mod pod;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::watch::not_run;

use containerd::{Containerd, IMAGE};
use observer::Observer;
use pod::{Cgroups, NAME, NAMESPACE, Pod};

const TEST: &str = "rows_of_containers_carry_their_names";

/// One after the other with one containerd, whose start is the dear part in an emulated guest.
#[test]
fn rows_of_containers_carry_their_names() {
    let bpf = kernel::Features::probe().obstacle(kernel::Mechanism::TpBtf).map(str::to_string);
    if let Some(obstacle) = bpf.or_else(containerd::obstacle) {
        return not_run(TEST, &obstacle);
    }
    let Some(mount) = kernel::cgroup2_mount() else {
        return not_run(TEST, "cgroup2 is not mounted here");
    };
    let directory = tempfile::tempdir().expect("a directory");
    let containerd = Containerd::start(directory.path()).expect("containerd runs");
    let _cgroups = Cgroups::create(&mount).expect("cgroups of our own");
    let observe = |arguments: &[&str]| {
        Observer::start(&containerd.socket, directory.path(), arguments).expect("it observes")
    };
    whole_life(&containerd, observe(&["--cgroup", &pod::cgroup()])).expect("a whole life");
    let pod = Pod::run(&containerd).expect("a pod");
    let first = pod.start("first", ":").expect("a container");
    one_that_comes_later(&pod, &containerd, &first, observe(&["--container", "late"]))
        .expect("one that comes later");
    // A whole node is watched only where it is ours.
    if std::env::var_os("FATHOM_VM").is_some() {
        whole_node(&containerd, &first, observe(&["--node"])).expect("the whole node");
    }
    drop(pod);
}

/// A pod is watched before it is there: everything in it is told with its names, from the first
/// process of each container on.
fn whole_life(containerd: &Containerd, observer: Observer) -> Result<()> {
    let pod = Pod::run(containerd)?;
    let first = pod.start("first", "cat /etc/words")?;
    let second = pod.start("second", "echo began in the second")?;
    for (container, words) in [(&first, "said in the first"), (&second, "said in the second")] {
        say(containerd, container, words)?;
    }
    observer.until("said in the second")?;
    let sandbox = pod.sandbox.clone();
    drop(pod);
    let rows = observer.end()?;

    for row in &rows {
        let id = row["container"].as_str().with_context(|| format!("no container: {row}"))?;
        ensure!([&first, &second, &sandbox].contains(&&id.to_string()), "of whom? {row}");
        // A sandbox is no container to the runtime: nobody says what image it runs.
        let image = if id == sandbox { Value::Null } else { IMAGE.into() };
        ensure!(row["image"] == image, "another image: {row}");
        ensure!(row["pod"] == NAME && row["namespace"] == NAMESPACE, "another pod: {row}");
    }
    let tells = |container: &str, what: &str| {
        let is_it = |row: &&Value| row["container"] == container && row.to_string().contains(what);
        let found = rows.iter().find(is_it).with_context(|| format!("no row of {what}"));
        found.map(drop)
    };
    // What runc made of it at the very beginning, what it did itself, and what came later.
    tells(&first, "cat /etc/words; exec tail")?;
    tells(&first, "\"path\":\"/etc/words\"")?;
    tells(&first, "said in the first")?;
    tells(&second, "echo began in the second")?;
    tells(&second, "said in the second")?;
    tells(&sandbox, "/dev/null")?;
    println!("{} rows of a pod's whole life", rows.len());
    Ok(())
}

/// A container is watched by its name before it is there; its neighbours are not.
fn one_that_comes_later(
    pod: &Pod<'_>,
    containerd: &Containerd,
    first: &str,
    observer: Observer,
) -> Result<()> {
    say(containerd, first, "said beside it")?;
    let late = pod.start("late", "cat /etc/words")?;
    say(containerd, first, "said beside it again")?;
    say(containerd, &late, "said late")?;
    observer.until("said late")?;
    let rows = observer.end()?;
    for row in &rows {
        ensure!(row["container"] == *late && row["image"] == IMAGE, "another container: {row}");
        ensure!(row["pod"] == NAME && row["namespace"] == NAMESPACE, "another pod: {row}");
    }
    let began = rows.iter().any(|row| row.to_string().contains("cat /etc/words; exec tail"));
    ensure!(began, "how it began is missing in {} rows", rows.len());
    Ok(())
}

/// Beside everything else that runs, a container's rows are told apart.
fn whole_node(containerd: &Containerd, first: &str, observer: Observer) -> Result<()> {
    say(containerd, first, "said on the node")?;
    observer.until("said on the node")?;
    let rows = observer.end()?;
    let said = |row: &&Value| row["args"].to_string().contains("echo said on the node");
    let row = rows.iter().filter(said).find(|row| row["container"] == first);
    let row = row.context("no row of the container has what was said in it")?;
    ensure!(row["image"] == IMAGE && row["pod"] == NAME, "without names: {row}");
    ensure!(rows.iter().any(|row| row["container"].is_null()), "nothing ran beside it");
    Ok(())
}

/// Has a container say something.
fn say(containerd: &Containerd, container: &str, words: &str) -> Result<()> {
    let script = format!("echo {words}; cat /etc/words");
    let said = containerd.client.exec(container, &["/bin/sh", "-c", &script])?;
    ensure!(said.exit_code == 0, "{said:?}");
    ensure!(said.stdout == format!("{words}\ntwo words\n").as_bytes(), "{said:?}");
    Ok(())
}
