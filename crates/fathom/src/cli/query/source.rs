//! Where answers come from: an agent, or a directory that an agent wrote.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::client::{Client, ClientProblem, ClientTls, Remote};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use clap::Args;
use query::{Answer, Ask, Completeness, Engine, Options, Problem, Trouble};

use super::super::interrupt::Interrupt;
use super::super::verify::DIRECTORY;
use super::listed::{self, Listed};
use super::progress::Asked;
use super::wait::wait;
use crate::signals;

#[derive(Debug, Args)]
pub(super) struct SourceArguments {
    /// Read this directory, which an agent wrote or writes; nothing in it is changed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "token_file", "ca", "cert", "key"])]
    data: Option<PathBuf>,
    /// Ask the agent at this address [default: http://127.0.0.1:9191]
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// The file with the token that the agent wants
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificates that the agent's is to be signed by, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// What answers.
pub(in crate::cli) enum Source {
    /// The files of a directory.
    Directory(Box<Engine>),
    /// An agent.
    Agent(Client),
}

/// An answer, as it comes.
pub(in crate::cli) enum Rows {
    Directory(Answer),
    Agent(Box<Remote>),
}

/// Why there is no answer, or no more of it.
#[derive(Debug)]
pub(in crate::cli) enum Failure {
    /// The question is at fault, or the query.
    Problem(Problem),
    /// The way to the agent.
    Way(ClientProblem),
    /// Somebody asked us to end.
    Interrupted,
}

/// Where an agent listens if nothing else is said.
const AGENT: &str = "127.0.0.1:9191";
/// What queries over a directory may use: nobody else uses this process.
const MEMORY: usize = 2 << 30;
/// As good as no end.
const LONG: Duration = Duration::from_secs(24 * 3600);

impl SourceArguments {
    /// Opens what was asked for; without a word, the agent of this node, and its directory where
    /// no agent runs.
    pub(super) fn open(&self, time_out: Option<Duration>, interrupt: &Interrupt) -> Result<Source> {
        if let Some(folder) = &self.data {
            return directory(folder, time_out);
        }
        let address = self.server.as_deref().unwrap_or(AGENT);
        let token = self.token_file.as_deref().map(token).transpose()?;
        let tls = ClientTls {
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            server_name: None,
        };
        let interrupt = interrupt.clone();
        let client = Client::new(address, &tls, token)?.stopped_by(move || interrupt.asked());
        // Whether somebody is there is told before a question is typed.
        match client.tables() {
            Err(ClientProblem::Connect { source, .. }) if is_nobody(&source) => {}
            Err(problem) => return Err(problem.into()),
            Ok(_) => return Ok(Source::Agent(client)),
        }
        let folder = Path::new(DIRECTORY);
        if self.server.is_none() && fs::read_dir(folder).is_ok() {
            eprintln!("fathom: no agent listens on {address}; {DIRECTORY} is read instead");
            return directory(folder, time_out);
        }
        bail!(
            "no agent listens on {address}: --server ADDR asks another one, and --data DIR reads \
             what an agent wrote (by default in {DIRECTORY})"
        );
    }
}

fn is_nobody(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

fn token(path: &Path) -> Result<String> {
    let read = fs::read_to_string(path);
    let text = read.with_context(|| format!("cannot read {}", path.display()))?;
    // The agent's own file has lines `NAME TOKEN`; a client's may have the token alone.
    let line = text.lines().map(str::trim).find(|it| !it.is_empty() && !it.starts_with('#'));
    match line.and_then(|line| line.split_whitespace().next_back()) {
        Some(token) => Ok(token.to_string()),
        None => bail!("{} holds no token", path.display()),
    }
}

/// An engine over the files of `path`.
pub(in crate::cli) fn directory(path: &Path, time_out: Option<Duration>) -> Result<Source> {
    let tables = signals::tables();
    let read = store::Catalogue::read_only(path, &tables);
    let (catalogue, words) = read.with_context(|| format!("cannot read {}", path.display()))?;
    if catalogue.contents().tables.is_empty() && !path.join(store::CHAIN).exists() {
        bail!(
            "there is no store in {}: an agent with `store.directory` writes one",
            path.display()
        );
    }
    for word in words {
        let (store::Word::Info(word) | store::Word::Warn(word)) = word;
        eprintln!("fathom: {word}");
    }
    let options = Options {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory: MEMORY,
        time_out: time_out.unwrap_or(LONG),
        rows_most: u64::MAX,
        // One more than is asked at a time: one that was broken off may need a moment to end.
        queries_most: 2,
    };
    let engine = Engine::new(catalogue, &tables, options);
    Ok(Source::Directory(Box::new(engine.context("cannot start the query engine")?)))
}

impl Source {
    /// Begins to answer.
    pub(in crate::cli) fn ask(&self, ask: Ask, interrupt: &Interrupt) -> Result<Rows, Failure> {
        match self {
            Source::Directory(engine) => match wait(engine.ask(ask), interrupt) {
                Some(answer) => Ok(Rows::Directory(answer?)),
                None => Err(Failure::Interrupted),
            },
            Source::Agent(client) => Ok(Rows::Agent(Box::new(client.query(&ask)?))),
        }
    }

    /// Every table and view.
    pub(super) fn tables(&self, interrupt: &Interrupt) -> Result<Vec<Listed>, Failure> {
        match self {
            Source::Directory(engine) => Ok(listed::of_engine(engine)),
            Source::Agent(_) => {
                let ask = Ask { sql: listed::COLUMNS.to_string(), ..Ask::default() };
                let mut rows = self.ask(ask, interrupt)?;
                let mut batches = Vec::new();
                while let Some(batch) = rows.next(interrupt) {
                    batches.push(batch?);
                }
                Ok(listed::of_rows(&batches))
            }
        }
    }
}

impl Rows {
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Rows::Directory(answer) => answer.schema().clone(),
            Rows::Agent(remote) => remote.schema().clone(),
        }
    }

    /// The next rows; `None` at the end.
    pub(in crate::cli) fn next(
        &mut self,
        interrupt: &Interrupt,
    ) -> Option<Result<RecordBatch, Failure>> {
        match self {
            Rows::Directory(answer) => match wait(answer.next(), interrupt) {
                Some(rows) => Some(rows?.map_err(Failure::from)),
                None => Some(Err(Failure::Interrupted)),
            },
            Rows::Agent(remote) => Some(remote.next()?.map_err(Failure::from)),
        }
    }

    pub(in crate::cli) fn completeness(&self) -> Completeness {
        match self {
            Rows::Directory(answer) => answer.completeness().clone(),
            Rows::Agent(remote) => remote.completeness().clone(),
        }
    }

    /// How far it is, where that can be told.
    pub(super) fn progress(&self) -> Option<Asked> {
        match self {
            Rows::Directory(answer) => Some(answer.progress()),
            Rows::Agent(_) => None,
        }
    }

    /// Whether rows were left out because of a limit; known at the end.
    pub(super) fn cut(&self) -> bool {
        match self {
            Rows::Directory(answer) => answer.cut(),
            Rows::Agent(remote) => remote.cut(),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        match problem.kind {
            Trouble::Cancelled => Failure::Interrupted,
            _ => Failure::Problem(problem),
        }
    }
}

impl From<ClientProblem> for Failure {
    fn from(problem: ClientProblem) -> Failure {
        match problem {
            ClientProblem::Query(problem) => problem.into(),
            ClientProblem::Stopped => Failure::Interrupted,
            other => Failure::Way(other),
        }
    }
}
