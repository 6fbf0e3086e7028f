//! `fathom doctor`: what this node can do, by trying it. Nothing is watched meanwhile.

mod needs;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use kernel::{Capability, Kernel, Obstacle, ProgramAccount, Rejection, State};
use needs::Need;
use scope::SCOPE;
use serde::Serialize;

use crate::session;
use crate::signals::{self, SIGNALS};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fathom doctor\n  fathom doctor --format json | jq '.capabilities[] | select(.state != \"available\")'"
)]
pub(crate) struct Arguments {
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Style,
    /// Allow only these mechanisms (lsm, fentry, tp_btf, kprobe), to see what the others add
    #[arg(long, value_delimiter = ',', value_name = "NAME", hide_short_help = true)]
    mechanism: Vec<String>,
    /// Show every program and map, and the verifier's words where it refused one
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Style {
    /// Text to read
    Text,
    /// JSON
    Json,
}

/// All that was found.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    kernel: String,
    privileges: Vec<Need>,
    mechanisms: Vec<Mechanism>,
    capabilities: Vec<Line>,
    programs: Vec<Program>,
    maps: Vec<Map>,
    /// Kernel memory of all maps.
    map_bytes: u64,
    rejections: Vec<Refusal>,
    /// Why nothing could be loaded at all.
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct Mechanism {
    name: &'static str,
    works: bool,
    why: String,
}

#[derive(Debug, Serialize)]
struct Line {
    signal: &'static str,
    what: &'static str,
    state: &'static str,
    mechanism: &'static str,
    program: &'static str,
    /// What is lost.
    cost: &'static str,
    /// Why the better ways were not taken.
    obstacles: Vec<String>,
    /// The same, but only where this very program was refused.
    #[serde(skip)]
    own_obstacles: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Program {
    signal: &'static str,
    name: String,
    load_ms: f64,
    verified_instructions: u32,
    code_bytes: u32,
}

#[derive(Debug, Serialize)]
struct Map {
    name: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Refusal {
    signal: &'static str,
    program: &'static str,
    log: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let report = examine(&arguments.mechanism);
    let shown = match arguments.format {
        Style::Json => serde_json::to_string_pretty(&report)? + "\n",
        Style::Text => text(&report, arguments.verbose),
    };
    io::stdout().write_all(shown.as_bytes())?;
    Ok(if report.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(mechanisms: &[String]) -> Report {
    let features = session::features(mechanisms);
    let mut loaded = vec![&SCOPE];
    loaded.extend(signals::needed(&signals::tables()));
    debug_assert_eq!(loaded.len(), SIGNALS.len() + 1);
    let kernel = Kernel::load(&loaded, &features, &kernel::Options::default());
    let failure = kernel.as_ref().err().map(|error| format!("{error:#}"));
    let kernel = kernel.ok();
    let programs = kernel.as_ref().map(Kernel::programs).unwrap_or_default();
    let maps = kernel.as_ref().map(Kernel::maps).unwrap_or_default();
    let capabilities = kernel.as_ref().map(Kernel::capabilities).unwrap_or_default();
    let rejections = kernel.as_ref().map(Kernel::rejections).unwrap_or_default();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        privileges: needs::all(&features, kernel.is_some()),
        mechanisms: features.list.iter().map(Mechanism::of).collect(),
        capabilities: capabilities.iter().map(Line::of).collect(),
        programs: programs.iter().map(Program::of).collect(),
        map_bytes: maps.iter().map(|map| map.bytes).sum(),
        maps: maps.into_iter().map(|map| Map { name: map.name, bytes: map.bytes }).collect(),
        rejections: rejections.iter().map(Refusal::of).collect(),
        failure,
    }
}

impl Mechanism {
    fn of(feature: &kernel::Feature) -> Mechanism {
        let works = feature.obstacle.is_none();
        Mechanism { name: feature.name, works, why: feature.obstacle.clone().unwrap_or_default() }
    }
}

impl Line {
    fn of(capability: &Capability) -> Line {
        let Capability { signal, what, state, mechanism, program, cost, obstacles } = capability;
        let words = |it: &Obstacle| format!("{}: {}", it.mechanism, it.why);
        let own = obstacles.iter().filter(|it| !it.general);
        Line {
            signal,
            what,
            state: state.name(),
            mechanism,
            program,
            cost,
            obstacles: obstacles.iter().map(words).collect(),
            own_obstacles: own.map(words).collect(),
        }
    }
}

impl Program {
    fn of(account: &ProgramAccount) -> Program {
        Program {
            signal: account.signal,
            name: account.name.clone(),
            load_ms: account.load_time.as_secs_f64() * 1e3,
            verified_instructions: account.verified,
            code_bytes: account.jited_bytes,
        }
    }
}

impl Refusal {
    fn of(rejection: &Rejection) -> Refusal {
        let Rejection { signal, program, log } = rejection.clone();
        Refusal { signal, program, log }
    }
}

/// The report as text. Writing to a string cannot fail, so the results are not looked at.
fn text(report: &Report, verbose: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "fathom {} on Linux {}\n", report.version, report.kernel);
    for need in &report.privileges {
        let _ = writeln!(out, "{} {}{}", mark(need.state), need.name, reason(&need.why));
        if !need.fix.is_empty() {
            let _ = writeln!(out, "    to fix: {}", need.fix);
        }
    }
    let _ = writeln!(out, "\nMechanisms");
    for mechanism in &report.mechanisms {
        let state = if mechanism.works { State::Available } else { State::Missing };
        let _ =
            writeln!(out, "{} {:<8}{}", mark(state.name()), mechanism.name, reason(&mechanism.why));
    }
    hooks_text(&report.capabilities, &mut out);
    if verbose {
        let _ = writeln!(out, "\nPrograms");
        for Program { name, load_ms, verified_instructions, code_bytes, .. } in &report.programs {
            let _ = writeln!(
                out,
                "  {name:<32} {verified_instructions:>8} verified {code_bytes:>7} B  object {load_ms:>6.1} ms"
            );
        }
        let _ = writeln!(out, "\nMaps");
        for map in &report.maps {
            let _ = writeln!(out, "  {:<32} {:>10} B", map.name, map.bytes);
        }
        for refusal in &report.rejections {
            let _ = writeln!(
                out,
                "\nRefused: {} of {}\n{}",
                refusal.program, refusal.signal, refusal.log
            );
        }
    }
    if let Some(failure) = &report.failure {
        let _ = writeln!(out, "\nNothing could be loaded: {failure}");
        return out;
    }
    let degraded = report.capabilities.iter().filter(|line| line.state != "available").count();
    let _ = writeln!(
        out,
        "\n{} of {} hooks see all that they should; {} programs, {:.1} MB of kernel memory",
        report.capabilities.len() - degraded,
        report.capabilities.len(),
        report.programs.len(),
        report.map_bytes as f64 / 1e6
    );
    out
}

/// Hooks that stand alike (`resolved path of unlink`, `… of rename`) share a line.
fn hooks_text(hooks: &[Line], out: &mut String) {
    let mut signal = "";
    let mut rest = hooks;
    while let Some(first) = rest.first() {
        if first.signal != signal {
            signal = first.signal;
            let _ = writeln!(out, "\n{signal}");
        }
        let family = |line: &Line| line.what.split_once(" of ").map(|(family, _)| family);
        let alike = |line: &Line| {
            family(line).is_some()
                && family(line) == family(first)
                && line.signal == first.signal
                && line.state == first.state
                && line.mechanism == first.mechanism
                && line.own_obstacles.is_empty()
                && first.own_obstacles.is_empty()
        };
        let count = 1 + rest[1..].iter().take_while(|line| alike(line)).count();
        let (group, after) = rest.split_at(if count > 2 { count } else { 1 });
        rest = after;
        let members: Vec<&str> =
            group[1..].iter().filter_map(|line| Some(line.what.split_once(" of ")?.1)).collect();
        let what = [&[first.what], &members[..]].concat().join(", ");
        let how = if first.mechanism.is_empty() { "-" } else { first.mechanism };
        let _ = writeln!(out, "{} {what:<62} {how}", mark(first.state));
        if !first.cost.is_empty() {
            let _ = writeln!(out, "      {}: {}", first.state, first.cost);
        }
        for refused in &first.own_obstacles {
            let _ = writeln!(out, "      refused by this kernel: {refused}");
        }
    }
}

fn mark(state: &str) -> &'static str {
    match state {
        "available" => "  ✓",
        "degraded" => "  ~",
        _ => "  ✗",
    }
}

fn reason(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}
