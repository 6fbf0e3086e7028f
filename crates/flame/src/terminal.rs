//! A profile in a terminal while it grows: functions, a flame graph, and who calls whom.
//!
//! Everything here is pure. Whoever owns the terminal puts it into raw mode, writes [`ENTER`], and then
//! turns bytes into [`Key`]s with [`keys()`], gives them to a [`Screen`], and writes what it draws of
//! a [`Snapshot`] of the profile; at the end it writes [`LEAVE`]. See `examples/live.rs`.

mod around;
mod calls;
mod draw;
mod flame;
mod keys;
mod paint;
mod rows;
mod search;
mod snapshot;
mod table;
mod text;

use crate::frame::Name;
use crate::tree::View;
use calls::Calls;
use flame::Flame;
use paint::Ink;
use search::Search;
use table::Table;

pub use around::Watched;
pub use keys::{Key, keys};
pub use paint::Colour;
pub use snapshot::Snapshot;

/// To be written first: another screen, no cursor, and lines that do not wrap.
pub const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// To be written last, whatever happened: all of it back. The screen is emptied first, since some
/// terminals that were resized meanwhile keep a part of it.
pub const LEAVE: &str = "\x1b[?2026l\x1b[m\x1b[H\x1b[J\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a person looks at, and how.
#[derive(Debug, Clone)]
pub struct Screen {
    pane: Pane,
    /// Where to go back to from the callers.
    before: Pane,
    view: View,
    /// The groups to begin with.
    groups: Vec<String>,
    table: Table,
    flame: Flame,
    calls: Calls,
    search: Search,
    paused: bool,
    help: bool,
}

/// What to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Draw, and before that make a new [`Snapshot`] where the one that there is
    /// [is not of](Snapshot::is_of) the screen's view.
    Redraw,
    /// End.
    Quit,
    /// The picture was stopped, or goes on: see [`Screen::is_paused`]. While it is stopped, keep the
    /// profile of which the last snapshot was made: a key may ask for another view of it.
    Pause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pane {
    Table,
    Flame,
    Calls,
}

/// The lines of each part of a screen.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// All panes together.
    body: usize,
    /// Of these the table's, where both it and the flame graph are shown.
    table: Option<usize>,
    told: usize,
}

const SELECTED: Ink = [20, 86, 190];
const MATCH: Ink = [214, 48, 140];
const WHITE: Ink = [255, 255, 255];

impl Screen {
    /// The table of functions, and below it the flame graph if there is room, in `view`.
    pub fn new(view: View) -> Screen {
        Screen {
            pane: Pane::Table,
            before: Pane::Table,
            groups: view.groups.clone(),
            view,
            table: Table::default(),
            flame: Flame::default(),
            calls: Calls::default(),
            search: Search::default(),
            paused: false,
            help: false,
        }
    }

    /// The view of which to make a [`Snapshot`].
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether the picture is to stay as it is while the profile grows.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Takes a key, pressed while `snapshot` was shown on a terminal of `size` columns and lines.
    pub fn key(&mut self, key: Key, snapshot: &Snapshot, size: (u16, u16)) -> Action {
        if let Key::Control('c') = key {
            return Action::Quit;
        }
        if self.search.typing {
            return self.type_(key, snapshot, size);
        }
        if self.help {
            self.help = false;
            return Action::Redraw;
        }
        let key = match key {
            Key::Char('h') => Key::Left,
            Key::Char('j') => Key::Down,
            Key::Char('k') => Key::Up,
            Key::Char('l') => Key::Right,
            Key::Control('b') => Key::PageUp,
            Key::Control('f') | Key::Char(' ') => Key::PageDown,
            Key::Control('l') => return Action::Redraw,
            other => other,
        };
        match key {
            Key::Char('q') => return Action::Quit,
            Key::Char('p') => {
                self.paused = !self.paused;
                return Action::Pause;
            }
            Key::Char('?') => self.help = true,
            Key::Char('t') => self.open(Pane::Table),
            Key::Char('f') => self.open(Pane::Flame),
            Key::Tab | Key::BackTab => self.next(key == Key::BackTab, snapshot, size),
            Key::Char('c') => self.open_calls(snapshot, size),
            Key::Char('z') => self.zoom(snapshot, size),
            Key::Enter if self.pane == Pane::Flame => self.zoom(snapshot, size),
            Key::Enter => self.open_calls(snapshot, size),
            Key::Char('u') | Key::Esc | Key::Backspace => return self.out(key),
            Key::Char('/') => {
                self.search = Search { typing: true, ..Search::default() };
            }
            Key::Char('n') => self.seek(false, snapshot, size),
            Key::Char('N') => self.seek(true, snapshot, size),
            Key::Char('s') => self.table.by_total = !self.table.by_total,
            Key::Char('i') => {
                self.view.inverted = !self.view.inverted;
                self.flame = Flame::default();
            }
            Key::Char('g') => self.group(snapshot),
            Key::Char('v') => self.value(snapshot),
            Key::Up | Key::Down | Key::Left | Key::Right => self.go(key, snapshot, size),
            Key::PageUp | Key::PageDown | Key::Home | Key::End => self.go(key, snapshot, size),
            _ => return Action::None,
        }
        Action::Redraw
    }

    fn parts(&self, (_, height): (u16, u16)) -> Parts {
        let height = usize::from(height);
        let told = match height {
            0..5 => 0,
            5..14 => 1,
            _ => 2,
        };
        let body = height.saturating_sub(3 + told);
        let both = body >= 30 && self.pane != Pane::Calls;
        Parts { body, table: both.then_some(body * 2 / 5), told }
    }

    /// Levels of a page of the flame graph, or lines of the table.
    fn page(&self, size: (u16, u16)) -> usize {
        let Parts { body, table, .. } = self.parts(size);
        let lines = match (self.pane, table) {
            (Pane::Flame, Some(table)) => body - table,
            (_, Some(table)) => table,
            _ => body,
        };
        lines.saturating_sub(2).max(1)
    }

    /// Takes a key into the search; what is selected follows what is found.
    fn type_(&mut self, key: Key, snapshot: &Snapshot, size: (u16, u16)) -> Action {
        match key {
            Key::Char(char) => self.search.push(char),
            Key::Backspace if !self.search.is_active() => self.search.typing = false,
            Key::Backspace => self.search.pop(),
            Key::Control('u') => self.search = Search { typing: true, ..Search::default() },
            Key::Esc => self.search = Search::default(),
            Key::Enter => self.search.typing = false,
            _ => return Action::None,
        }
        let name = self.name(snapshot, size.0);
        if self.search.is_active() && !name.is_some_and(|name| self.search.meets(&name)) {
            self.seek(false, snapshot, size);
        }
        Action::Redraw
    }

    fn open(&mut self, pane: Pane) {
        self.pane = pane;
        self.calls.leave();
    }

    fn next(&mut self, back: bool, snapshot: &Snapshot, size: (u16, u16)) {
        match (self.pane, back) {
            (Pane::Table, false) | (Pane::Calls, true) => self.open(Pane::Flame),
            (Pane::Flame, false) | (Pane::Table, true) => self.open_calls(snapshot, size),
            (Pane::Calls, false) | (Pane::Flame, true) => self.open(Pane::Table),
        }
    }

    /// The function that is selected, in whichever pane.
    fn name(&self, snapshot: &Snapshot, width: u16) -> Option<Name> {
        match self.pane {
            Pane::Table => self.table.name(snapshot).cloned(),
            Pane::Calls => self.calls.name(snapshot),
            Pane::Flame => {
                let node = self.flame.node(snapshot, width.into());
                (node != 0).then(|| snapshot.tree.name(node).clone())
            }
        }
    }

    fn open_calls(&mut self, snapshot: &Snapshot, size: (u16, u16)) {
        let Some(name) = self.name(snapshot, size.0) else { return };
        if self.pane != Pane::Calls {
            self.before = self.pane;
        }
        self.pane = Pane::Calls;
        if self.calls.centre() != Some(&name) {
            self.calls.show(name);
        }
    }

    /// In the flame graph, into the selected box; elsewhere, to where the function is in it.
    fn zoom(&mut self, snapshot: &Snapshot, size: (u16, u16)) {
        let width = usize::from(size.0);
        if self.pane == Pane::Flame {
            return self.flame.zoom(snapshot, width);
        }
        let node = self.name(snapshot, size.0).and_then(|name| snapshot.heaviest(&name));
        if let Some(node) = node {
            self.flame.select(snapshot, node, width);
            self.open(Pane::Flame);
        }
    }

    fn out(&mut self, key: Key) -> Action {
        let left = match self.pane {
            Pane::Calls => {
                if !self.calls.back() {
                    self.pane = self.before;
                }
                true
            }
            Pane::Flame => self.flame.out(),
            Pane::Table => false,
        };
        if !left && key == Key::Esc && self.search.is_active() {
            self.search = Search::default();
            return Action::Redraw;
        }
        if left { Action::Redraw } else { Action::None }
    }

    fn seek(&mut self, back: bool, snapshot: &Snapshot, size: (u16, u16)) {
        match self.pane {
            Pane::Table => self.table.seek(snapshot, back, &self.search),
            Pane::Calls => self.calls.seek(snapshot, back, &self.search),
            Pane::Flame => {
                let found = self.search.found(snapshot);
                let is = |node: usize| found.has(snapshot.tree.name_id(node));
                self.flame.seek(snapshot, size.0.into(), back, is);
            }
        }
    }

    fn go(&mut self, key: Key, snapshot: &Snapshot, size: (u16, u16)) {
        let page = self.page(size);
        match self.pane {
            Pane::Table => self.table.go(key, snapshot, page),
            Pane::Calls => self.calls.go(key, snapshot, page),
            Pane::Flame => self.flame.go(key, snapshot, (size.0.into(), page)),
        }
    }

    /// From the groups to begin with to none, then to each label there is.
    fn group(&mut self, snapshot: &Snapshot) {
        let mut choices = vec![self.groups.clone(), Vec::new()];
        choices.extend(snapshot.labels.iter().map(|label| vec![label.clone()]));
        let mut seen = Vec::new();
        choices.retain(|choice| {
            let new = !seen.contains(choice);
            seen.push(choice.clone());
            new
        });
        let at = choices.iter().position(|choice| *choice == self.view.groups).unwrap_or(0);
        self.view.groups = choices.swap_remove((at + 1) % choices.len());
        self.flame = Flame::default();
    }

    /// To the next kind of weight of which there is something.
    fn value(&mut self, snapshot: &Snapshot) {
        let at = snapshot.values.iter().position(|&kind| kind == snapshot.top.value);
        let next = at.map_or(0, |at| at + 1) % snapshot.values.len().max(1);
        self.view.value = snapshot.values.get(next).copied();
    }
}
