//! What the functions of Python programs are called, as they were told.

use std::sync::Arc;

use schema::{PythonCode, PythonFrame};

use super::lines;
use crate::Lru;
use crate::naming::{Place, PlaceKind};

/// A function of a Python program, or a module's or class's body.
#[derive(Debug, Clone)]
pub struct Code {
    /// Its qualified name, as `Class.method` or `<module>`.
    pub name: Arc<str>,
    /// The file that it is from, as the program knows it.
    pub file: Arc<str>,
    /// Its first line.
    pub first_line: u32,
    lines: Box<[u8]>,
    /// The places in it that were met, by instruction.
    places: Vec<(Option<u32>, Functions)>,
}

/// The function at a place; one, since none of Python's is put into another.
type Functions = Arc<[Arc<Place>]>;

/// What is known of a frame.
pub(super) enum Found {
    Place(Functions),
    /// It is the interpreter's own.
    Glue,
    /// Nobody knows it.
    Lost,
}

/// Places of a function that are remembered.
const MOST_PLACES: usize = 64;

impl Code {
    /// The line of an instruction; the function's first where that is not known.
    pub fn line(&self, instruction: Option<u32>) -> u32 {
        let found = instruction.and_then(|at| lines::line(&self.lines, self.first_line, at));
        found.unwrap_or(self.first_line)
    }

    /// Whether it is the interpreter's own, between a class and its `__init__`, and no function that
    /// anybody wrote.
    pub fn is_glue(&self) -> bool {
        self.name == self.file
    }

    fn place(&mut self, instruction: Option<u32>) -> Functions {
        if let Some((_, known)) = self.places.iter().find(|(at, _)| *at == instruction) {
            return known.clone();
        }
        let line = Some(self.line(instruction)).filter(|&line| line != 0);
        let same = self.places.iter().find(|(_, it)| it.iter().all(|place| place.line == line));
        let place = match same {
            Some((_, place)) => place.clone(),
            None => {
                let file = (!self.file.is_empty()).then(|| self.file.clone());
                one(Place { file, line, ..python(self.name.clone()) })
            }
        };
        if self.places.len() == MOST_PLACES {
            self.places.clear();
        }
        self.places.push((instruction, place.clone()));
        place
    }

    fn bytes(&self) -> usize {
        /// Of the entry in the store, about, and of a place.
        const ENTRY: usize = 200;
        const PLACE: usize = 200;
        let texts = self.name.len() + self.file.len() + self.lines.len();
        ENTRY + texts + self.places.len() * PLACE
    }
}

impl From<PythonCode> for Code {
    fn from(told: PythonCode) -> Code {
        Code {
            name: told.name.into(),
            file: told.file.into(),
            first_line: told.first_line,
            lines: told.lines.into(),
            places: Vec::new(),
        }
    }
}

/// The functions that were told, by the space and address under which frames name them, within a budget
/// of bytes.
#[derive(Debug)]
pub struct Codes {
    known: Lru<(u32, u64), Code>,
    /// Most functions of a program are from few files.
    last_file: Arc<str>,
    unknown: Functions,
}

impl Codes {
    /// None yet; they take at most `budget` bytes.
    pub fn new(budget: usize) -> Codes {
        let unknown = one(python("[unknown]".into()));
        Codes { known: Lru::new(budget), last_file: "".into(), unknown }
    }

    /// Takes what was told, in place of what was told before of the same address.
    pub fn tell(&mut self, told: PythonCode) {
        let key = (told.space, told.code);
        let mut code = Code::from(told);
        if code.file == self.last_file {
            code.file = self.last_file.clone();
        } else {
            self.last_file = code.file.clone();
        }
        let bytes = code.bytes();
        self.known.insert(key, code, bytes);
    }

    /// The function at an address. None where it was never told or had to go: the caller then takes it
    /// out of the kernel side's map `profile_codes`, so that it is told again.
    pub fn get(&mut self, space: u32, code: u64) -> Option<&Code> {
        self.known.get(&(space, code)).map(|code| &*code)
    }

    /// The place that a frame is at.
    pub(super) fn place(&mut self, space: u32, frame: &PythonFrame) -> Found {
        match self.known.get(&(space, frame.code)) {
            Some(code) if code.is_glue() => Found::Glue,
            Some(code) => Found::Place(code.place(frame.instruction)),
            None => Found::Lost,
        }
    }

    /// The place of a frame whose function nobody knows.
    pub(super) fn unknown(&self) -> Functions {
        self.unknown.clone()
    }

    /// Counts what was remembered since the last time towards the budget.
    pub(crate) fn weigh(&mut self) {
        self.known.weigh(Code::bytes);
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.known.bytes()
    }

    /// How many had to go to keep the budget.
    pub fn evicted(&self) -> u64 {
        self.known.evicted()
    }
}

fn one(place: Place) -> Functions {
    [Arc::new(place)].into()
}

fn python(function: Arc<str>) -> Place {
    let kind = PlaceKind::Python;
    Place { function, binary: None, build_id: None, address: 0, kind, file: None, line: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u64, name: &str) -> PythonCode {
        let (name, file) = (name.into(), "/srv/app.py".into());
        PythonCode { space: 1, code, name, file, first_line: 7, lines: vec![0xe8, 0x02] }
    }

    #[test]
    fn the_last_that_was_told_counts() {
        let mut codes = Codes::new(1 << 20);
        codes.tell(told(0x10, "old"));
        codes.tell(told(0x10, "new"));
        codes.tell(told(0x20, "other"));
        let code = codes.get(1, 0x10).expect("it was told");
        assert_eq!((&*code.name, code.line(Some(0)), code.line(Some(8))), ("new", 8, 7));
        assert_eq!(code.line(None), 7);
        assert!(codes.get(2, 0x10).is_none(), "another space has other functions");
        assert_eq!(codes.len(), 2);
    }

    #[test]
    fn the_budget_holds() {
        let mut codes = Codes::new(10_000);
        (0..1000).for_each(|at| codes.tell(told(at, "function")));
        assert!(codes.bytes() <= 10_000 && codes.len() > 20, "{codes:?}");
        assert!(codes.get(1, 999).is_some() && codes.get(1, 0).is_none());
    }
}
