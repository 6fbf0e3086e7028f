//! Python with the tools that read what we write: pyarrow, DuckDB, ADBC.
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

const PACKAGES: &[&str] = &[
    "adbc-driver-flightsql==1.13.0",
    "adbc-driver-manager==1.13.0",
    "duckdb==2.0.0",
    "pyarrow==26.0.1",
];

/// The interpreter; makes the environment where it is not there yet.
pub(crate) fn ensure() -> Result<PathBuf> {
    setup::ensure(Scope { python: true, ..Scope::default() })?;
    let cache = place::cache()?.join("python");
    fs::create_dir_all(&cache).context(|| cache.display().to_string())?;
    let _lock = lock(&cache)?;
    let wanted = PACKAGES.join("\n");
    let (folder, list) = (cache.join("venv"), cache.join("packages"));
    let interpreter = folder.join("bin/python");
    if fs::read_to_string(&list).is_ok_and(|it| it == wanted) && interpreter.is_file() {
        return Ok(interpreter);
    }
    say("installing pyarrow, DuckDB and ADBC into a Python environment of their own");
    let _ = fs::remove_dir_all(&folder);
    run::through(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    run::through(&mut pip)?;
    import(&interpreter)?;
    fs::write(&list, wanted).context(|| list.display().to_string())?;
    Ok(interpreter)
}

/// What was installed has to run here.
fn import(interpreter: &Path) -> Result<()> {
    let words = "import adbc_driver_flightsql, duckdb, pyarrow.parquet";
    let tried = run::output(Command::new(interpreter).args(["-c", words]));
    tried
        .map(drop)
        .map_err(|failure| Failure::new(format!("the Python tools do not run: {failure}")))
}
