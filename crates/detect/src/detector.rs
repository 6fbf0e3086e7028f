//! One worker's detection: batches in, alerts out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schema::{Batch, Value};

use crate::alert::{Alert, RuleInfo};
use crate::columns::{Columns, Role};
use crate::fields::{Event, Surroundings, View};
use crate::memo::Memo;
use crate::names::Names;
use crate::novelty::Novelty;
use crate::program::{Matching, Program};
use crate::state::State;

/// Asks the rules about the rows of one worker.
pub struct Detector {
    program: Arc<Program>,
    names: Arc<dyn Names>,
    novelty: Arc<Novelty>,
    state: State,
    memo: Memo,
    number: u64,
    infos: Vec<Arc<RuleInfo>>,
    costs: Vec<Cost>,
    /// Every so many events their rules are timed.
    timed: u64,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Events that it was asked about.
    pub asked: u64,
    /// Events that it matched.
    pub matched: u64,
    /// Of the events that it was asked about, those that were timed.
    pub timed: u64,
    /// How long those took.
    pub time: Duration,
}

/// One event in so many is timed: reading the clock costs as much as a rule.
const TIMED: u64 = 64;

/// A row, before it is known to be an event.
struct Place {
    time: i64,
    batch: usize,
    row: usize,
}

impl Detector {
    /// One that has seen nothing yet.
    pub fn new(program: Arc<Program>, names: Arc<dyn Names>, novelty: Arc<Novelty>) -> Detector {
        let state = State::new();
        let mut detector = Detector {
            program: program.clone(),
            names,
            novelty,
            state,
            memo: Memo::default(),
            number: 0,
            infos: Vec::new(),
            costs: Vec::new(),
            timed: TIMED,
        };
        detector.take(program);
        detector
    }

    /// Times the rules at every event, for those who want to know their cost.
    pub fn time_all(&mut self) {
        self.timed = 1;
    }

    /// From now on these rules are asked. What is known of processes, sockets and files stays.
    pub fn take(&mut self, program: Arc<Program>) {
        self.names.interest(&program.hosts);
        self.infos = program
            .rules
            .iter()
            .map(|compiled| {
                Arc::new(RuleInfo {
                    name: compiled.rule.name.clone(),
                    priority: compiled.rule.priority,
                    tags: compiled.rule.tags.clone(),
                    source: compiled.rule.source.clone(),
                })
            })
            .collect();
        self.costs = vec![Cost::default(); program.rules.len()];
        self.memo = Memo::default();
        self.program = program;
    }

    /// What each rule did, by name, since the program was taken.
    pub fn costs(&self) -> impl Iterator<Item = (&str, Cost)> {
        self.infos.iter().map(|info| info.name.as_str()).zip(self.costs.iter().copied())
    }

    /// What had to be forgotten for want of room, though it may still be true: directories and
    /// credentials of processes, ends of sockets, names of files.
    pub fn forgotten(&self) -> u64 {
        self.state.forgotten()
    }

    /// Events that were looked at.
    pub fn events(&self) -> u64 {
        self.number
    }

    /// Asks about the rows of one turn, in the order of their times.
    pub fn detect(&mut self, turn: &[Arc<Batch>], mut tell: impl FnMut(Alert)) {
        let program = self.program.clone();
        let asked: Vec<Option<usize>> = turn
            .iter()
            .map(|batch| {
                let is = |it: &crate::program::Asked| std::ptr::eq(it.columns.table, batch.table);
                program.tables.iter().position(is)
            })
            .collect();
        let mut places = Vec::new();
        for (at, batch) in turn.iter().enumerate().filter(|(at, _)| asked[*at].is_some()) {
            let rows = batch.origin.iter().enumerate();
            places.extend(rows.map(|(row, origin)| Place { time: origin.time, batch: at, row }));
        }
        // Rows of one table come sorted nearly; a stable sort keeps the order of equal times.
        places.sort_by_key(|place| place.time);
        for Place { batch, row, .. } in places {
            let Some(table) = asked[batch] else { continue };
            let asked = &program.tables[table];
            self.row(&program, &asked.columns, &asked.rules, &turn[batch], row, &mut tell);
        }
    }

    fn row(
        &mut self,
        program: &Program,
        columns: &Columns,
        rules: &[Vec<(u32, crate::program::Node)>],
        batch: &Arc<Batch>,
        row: usize,
        tell: &mut impl FnMut(Alert),
    ) {
        self.state.before(batch, row, &*self.names);
        if let Some(which) = columns.event(batch, row) {
            self.number += 1;
            if !rules[which].is_empty() {
                self.ask(program, columns, &rules[which], (batch, row, which), tell);
            }
        }
        self.state.after(columns, batch, row);
    }

    fn ask(
        &mut self,
        program: &Program,
        columns: &Columns,
        rules: &[(u32, crate::program::Node)],
        (batch, row, which): (&Arc<Batch>, usize, usize),
        tell: &mut impl FnMut(Alert),
    ) {
        let timed = self.number.is_multiple_of(self.timed);
        let mut fired: Vec<u32> = Vec::new();
        for view in views(columns, batch, row, &self.state).into_iter().flatten() {
            let Detector { state, memo, names, novelty, number, costs, infos, .. } = self;
            let around = Surroundings { state, names: &**names, novelty, number: *number };
            let event = Event::new(batch, row, columns, columns.events[which], view, around);
            memo.next(program.atoms.len());
            for (rule, node) in rules {
                if fired.contains(rule) {
                    continue;
                }
                let begun = timed.then(Instant::now);
                let holds = memo.holds(node, &event, &program.atoms);
                let cost = &mut costs[*rule as usize];
                cost.asked += u64::from(view == View::Given);
                if let Some(begun) = begun {
                    cost.timed += 1;
                    cost.time += begun.elapsed();
                }
                if !holds {
                    continue;
                }
                cost.matched += 1;
                fired.push(*rule);
                let compiled = &program.rules[*rule as usize];
                let (message, fields) = compiled.output.render(&event);
                let mut matched = Vec::new();
                memo.why(&compiled.whole, &event, &program.atoms, &mut matched);
                tell(Alert {
                    rule: infos[*rule as usize].clone(),
                    batch: batch.clone(),
                    row,
                    event: event.name,
                    view,
                    message,
                    fields,
                    matched,
                    repeated: 0,
                });
                if program.matching == Matching::First {
                    return;
                }
            }
        }
    }
}

/// The names that the event's things go by.
fn views(columns: &Columns, batch: &Batch, row: usize, state: &State) -> [Option<View>; 3] {
    let value = |role| columns.value(batch, row, role);
    let process = &batch.process[row];
    let resolved = match columns.table.name {
        // Who is run is what the kernel runs, whatever the first argument says.
        "process_exec" => {
            let said = schema::plain::args(&process.facts.args).next().unwrap_or_default();
            !process.facts.exe.is_empty() && said != &*process.facts.exe
        }
        "file_symlink" => value(Role::Target).text().is_some_and(|it| !it.starts_with(b"/")),
        _ => [Role::Differs, Role::NewDiffers].map(value).contains(&Value::Bool(true)),
    };
    let alias = state.has_aliases()
        && columns.table.name.starts_with("file_")
        && value(Role::Resolved).text().is_some_and(|it| state.alias(process, it).is_some());
    [Some(View::Given), resolved.then_some(View::Resolved), alias.then_some(View::Alias)]
}
