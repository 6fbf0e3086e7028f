//! A frame: what is around, and the panes in the middle.

use super::around::{self, Watched};
use super::flame::{self, Marks};
use super::paint::{self, Colour, DIM, PLAIN, Sheet};
use super::search::Found;
use super::snapshot::Snapshot;
use super::{Pane, Parts, Screen, rows, text};
use crate::value::{ValueKind, percent};

impl Screen {
    /// A whole frame for a terminal of `size` columns and lines: to be written as it is. It stands
    /// where the last one stood, and nothing scrolls.
    pub fn draw(
        &self,
        snapshot: &Snapshot,
        watched: &Watched,
        size: (u16, u16),
        colour: Colour,
    ) -> String {
        let mut sheet = Sheet::new(size, colour);
        let parts = self.parts(size);
        let found = self.search.found(snapshot);
        around::head(watched, self.paused, &mut sheet);
        self.tabs(snapshot, &found, &mut sheet);
        match () {
            () if self.help => around::help(parts.body, &mut sheet),
            () if snapshot.whole() == 0 => empty(snapshot, parts.body, &mut sheet),
            () => self.body(snapshot, &found, parts, &mut sheet),
        }
        sheet.fill_to(2 + parts.body);
        self.told(snapshot, parts, &mut sheet);
        match self.search.typing {
            true => around::prompt(&self.search.text, &mut sheet),
            false => around::keys(self.tips(), &mut sheet),
        }
        sheet.frame()
    }

    fn body(&self, snapshot: &Snapshot, found: &Found, parts: Parts, sheet: &mut Sheet) {
        let flame = |height, sheet: &mut Sheet| {
            let focused = self.pane == Pane::Flame;
            let same = if focused { None } else { self.table.name(snapshot) };
            self.flame.draw(snapshot, &Marks { found, focused, same }, height, sheet);
        };
        let table = |height, sheet: &mut Sheet| {
            self.table.draw(snapshot, &self.search, height, self.pane == Pane::Table, sheet);
        };
        match (self.pane, parts.table) {
            (Pane::Calls, _) => self.calls.draw(snapshot, &self.search, parts.body, sheet),
            (_, Some(lines)) => {
                table(lines - 1, sheet);
                sheet.fill_to(2 + lines - 1);
                let words = if snapshot.is_inverted() { "flame, leaves first" } else { "flame" };
                rows::heading(words, "", sheet);
                flame(parts.body - lines, sheet);
            }
            (Pane::Table, None) => table(parts.body, sheet),
            (Pane::Flame, None) => flame(parts.body, sheet),
        }
    }

    /// The second line: the panes, or the way to the zoom, and how it is looked at.
    fn tabs(&self, snapshot: &Snapshot, found: &Found, sheet: &mut Sheet) {
        let mut line = sheet.line();
        line.put(PLAIN, " ");
        let right = match self.search.is_active() {
            true => {
                let share = percent(found.weight, snapshot.whole());
                let text = text::clipped(&self.search.text, 24);
                let functions = if found.functions == 1 { "function" } else { "functions" };
                format!("/{text} {share:.1}% in {} {functions} ", found.functions)
            }
            false => self.looks(snapshot),
        };
        let trail = self.flame.trail(snapshot);
        if self.pane == Pane::Flame && !trail.is_empty() {
            let room = line.left().saturating_sub(text::width(&right, 99) + 2);
            let mut way = paint::Line::new(room);
            flame::trail(&trail, &mut way);
            line.append(way);
        } else {
            for (word, pane) in
                [("functions", Pane::Table), ("flame", Pane::Flame), ("callers", Pane::Calls)]
            {
                around::tab(word, self.pane == pane, sheet.coloured(), &mut line);
            }
        }
        if text::width(&right, 99) < line.left() {
            let style = if self.search.is_active() { paint::BOLD } else { DIM };
            line.put_right(style, &right);
        }
        sheet.push(line);
    }

    /// `cpu · by comm · leaves first`
    fn looks(&self, snapshot: &Snapshot) -> String {
        let mut looks = vec![match snapshot.top.value {
            ValueKind::Samples => "samples".to_string(),
            ValueKind::Cpu => "CPU time".to_string(),
            ValueKind::OffCpu => "off the CPU".to_string(),
        }];
        if !self.view.groups.is_empty() {
            looks.push(format!("by {}", self.view.groups.join(", ")));
        }
        if self.view.inverted {
            looks.push("leaves first".into());
        }
        looks.join(" · ") + " "
    }

    /// What is selected, and what it costs.
    fn told(&self, snapshot: &Snapshot, parts: Parts, sheet: &mut Sheet) {
        let value = snapshot.top.value;
        let share = |weight: u64| format!("{:.1}%", percent(weight, snapshot.whole()));
        let name = self.name(snapshot, sheet.width as u16);
        let node = self.flame.node(snapshot, sheet.width);
        let (own, total) = match (self.pane, &name) {
            (Pane::Flame, _) => (snapshot.own(node), snapshot.total(node)),
            (_, Some(name)) => {
                let row = snapshot.row_of(name, false).and_then(|at| snapshot.row(at, false));
                row.map_or((0, 0), |row| (row.own, row.total))
            }
            _ => (0, 0),
        };
        let mut numbers = vec![
            format!("total {}", share(total)),
            format!("self {}", share(own)),
            value.plain(total),
        ];
        if self.pane == Pane::Flame && parts.told > 1 {
            let caller = snapshot.total(snapshot.tree.nodes()[node].parent);
            if node != 0 && caller != snapshot.whole() {
                numbers.push(format!("{:.1}% of its caller", percent(total, caller)));
            }
        }
        around::told(&around::Told { name: name.as_ref(), numbers }, parts.told, sheet);
    }

    fn tips(&self) -> &'static [(&'static str, &'static str)] {
        match (self.help, self.pane) {
            (true, _) => &[("any key", "back")],
            (_, Pane::Table) => &[
                ("?", "keys"),
                ("q", "end"),
                ("enter", "callers"),
                ("f", "flame"),
                ("/", "search"),
                ("s", "sort"),
                ("z", "show in flame"),
                ("p", "pause"),
                ("v", "value"),
                ("g", "group"),
                ("i", "invert"),
            ],
            (_, Pane::Flame) => &[
                ("?", "keys"),
                ("q", "end"),
                ("enter", "zoom"),
                ("u", "out"),
                ("t", "table"),
                ("/", "search"),
                ("i", "invert"),
                ("c", "callers"),
                ("p", "pause"),
                ("g", "group"),
                ("v", "value"),
            ],
            (_, Pane::Calls) => &[
                ("?", "keys"),
                ("q", "end"),
                ("enter", "go to"),
                ("u", "back"),
                ("z", "show in flame"),
                ("t", "table"),
                ("f", "flame"),
                ("/", "search"),
                ("p", "pause"),
            ],
        }
    }
}

fn empty(snapshot: &Snapshot, height: usize, sheet: &mut Sheet) {
    sheet.fill_to(2 + height / 2);
    let mut line = sheet.line();
    let words = match snapshot.values.is_empty() {
        true => "no samples yet",
        false => "no samples of this kind",
    };
    line.skip_to(sheet.width.saturating_sub(words.len()) / 2, PLAIN);
    line.put(DIM, words);
    sheet.push(line);
}
