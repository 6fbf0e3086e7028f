//! The values that a configuration can have, each with what may stand there.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use schema::Table;

use super::keys::{Word, words};
use super::problem::suggest;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// There.
    On(SocketAddr),
}

/// What can be left to Fathom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<T> {
    /// Fathom decides.
    Auto,
    /// The user decided.
    Given(T),
}

/// A name, or the one that the node gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `$NODE_NAME`, or the host's name.
    Auto,
    /// This.
    Given(String),
}

/// How many threads read the rings: a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers(pub u32);

/// Tables, by name or by subject.
#[derive(Debug, Clone)]
pub struct Tables {
    /// As the user wrote it.
    pub name: String,
    /// What it names.
    pub tables: Vec<&'static Table>,
}

/// A way to hook into the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mechanism(pub String);

/// A path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub String);

/// Some text; empty where nothing is to be said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub String);

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A folder, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// None.
    Off,
    /// This.
    At(String),
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Standard output.
    Stdout,
    /// A file.
    File,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Words.
    Text,
    /// A JSON object a line.
    Json,
}

/// Which log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// All.
    Info,
    /// What somebody should look at, and errors.
    Warn,
    /// Errors only.
    Error,
}

/// Which rules an event fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matching(pub detect::Matching);

/// How bad a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority(pub detect::language::Priority);

words!(
    bool,
    u32,
    Size,
    Listen,
    Choice<bool>,
    Choice<Workers>,
    Name,
    Tables,
    Mechanism,
    Path,
    Text,
    Span,
    Folder,
    OutputKind,
    LogFormat,
    LogLevel,
    Matching,
    Priority,
);

const UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of time, the largest first, in milliseconds.
const SPANS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The mechanisms that a configuration may name.
const MECHANISMS: &[&str] = &["lsm", "fentry", "tp_btf", "kprobe"];

impl PartialEq for Tables {
    fn eq(&self, other: &Tables) -> bool {
        let names = |it: &Tables| it.tables.iter().map(|table| table.name).collect::<Vec<_>>();
        self.name == other.name && names(self) == names(other)
    }
}

impl Size {
    /// So many times 1024 times 1024 bytes.
    pub const fn mib(count: u64) -> Size {
        Size(count << 20)
    }
}

impl Word for Size {
    const ALLOWED: &'static str = "a size with its unit: 64KiB, 2MiB, 1GiB";

    fn parse(text: &str) -> Result<Size, String> {
        let wrong = || format!("`{text}` is no size; write {}", Size::ALLOWED);
        let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = match unit.trim_start() {
            // A number without a unit is bytes, and 0 needs none.
            "" => 1,
            unit => {
                let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
                known.ok_or_else(wrong)?.1
            }
        };
        number.checked_mul(unit).map(Size).ok_or_else(wrong)
    }

    fn show(&self) -> String {
        let binary = UNITS.iter().filter(|(name, _)| name.contains('i'));
        let fitting = binary.filter(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit));
        match fitting.max_by_key(|(_, unit)| *unit) {
            Some((name, unit)) => format!("{}{name}", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

impl Word for Listen {
    const ALLOWED: &'static str = "an address and a port, such as 127.0.0.1:9191, or off";

    fn parse(text: &str) -> Result<Listen, String> {
        if text == "off" {
            return Ok(Listen::Off);
        }
        let address: SocketAddr = text
            .replace("localhost:", "127.0.0.1:")
            .parse()
            .map_err(|_| format!("`{text}` is no place to listen; write {}", Listen::ALLOWED))?;
        Ok(Listen::On(address))
    }

    fn show(&self) -> String {
        match self {
            Listen::Off => "off".to_string(),
            // An IPv6 address begins with a bracket, which is a list to YAML.
            Listen::On(address) if address.is_ipv6() => quoted(&address.to_string()),
            Listen::On(address) => address.to_string(),
        }
    }
}

impl Word for bool {
    const ALLOWED: &'static str = "true or false";

    fn parse(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| format!("`{text}` is neither; write {}", bool::ALLOWED))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Word for u32 {
    const ALLOWED: &'static str = "a whole number";

    fn parse(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| format!("`{text}` is not; write {}", u32::ALLOWED))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Word for Choice<bool> {
    const ALLOWED: &'static str = "auto, true or false";

    fn parse(text: &str) -> Result<Choice<bool>, String> {
        match text {
            "auto" => Ok(Choice::Auto),
            _ => {
                let wrong = |_| format!("`{text}` is none of them; write {}", Self::ALLOWED);
                text.parse().map(Choice::Given).map_err(wrong)
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Choice::Auto => "auto".to_string(),
            Choice::Given(choice) => choice.to_string(),
        }
    }
}

impl Word for Choice<Workers> {
    const ALLOWED: &'static str = "auto, or a power of two up to 64";

    fn parse(text: &str) -> Result<Choice<Workers>, String> {
        let given = text.parse::<u32>().ok().filter(|it| it.is_power_of_two() && *it <= 64);
        match (text, given) {
            ("auto", _) => Ok(Choice::Auto),
            (_, Some(number)) => Ok(Choice::Given(Workers(number))),
            _ => Err(format!("`{text}` is not; write {}", Self::ALLOWED)),
        }
    }

    fn show(&self) -> String {
        match self {
            Choice::Auto => "auto".to_string(),
            Choice::Given(Workers(number)) => number.to_string(),
        }
    }
}

impl Word for Name {
    const ALLOWED: &'static str = "a name, or auto";

    fn parse(text: &str) -> Result<Name, String> {
        match text {
            "auto" => Ok(Name::Auto),
            "" => Err(format!("the name is empty; write {}", Name::ALLOWED)),
            name => Ok(Name::Given(name.to_string())),
        }
    }

    fn show(&self) -> String {
        match self {
            Name::Auto => "auto".to_string(),
            Name::Given(name) => quoted(name),
        }
    }
}

impl Word for Tables {
    const ALLOWED: &'static str = "the name of a table (file_open) or of a subject (file)";

    fn parse(text: &str) -> Result<Tables, String> {
        let name = text.to_string();
        let tables = crate::cli::tables::find(std::slice::from_ref(&name));
        tables.map(|tables| Tables { name, tables }).map_err(|error| error.to_string())
    }

    fn show(&self) -> String {
        quoted(&self.name)
    }
}

impl Word for Mechanism {
    const ALLOWED: &'static str = "lsm, fentry, tp_btf or kprobe";

    fn parse(text: &str) -> Result<Mechanism, String> {
        match MECHANISMS.contains(&text) {
            true => Ok(Mechanism(text.to_string())),
            false => Err(format!(
                "there is no mechanism `{text}`{}; write {}",
                suggest(text, MECHANISMS.iter().copied()),
                Mechanism::ALLOWED
            )),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Word for Path {
    const ALLOWED: &'static str = "a path";

    fn parse(text: &str) -> Result<Path, String> {
        match text.contains('\0') {
            false => Ok(Path(text.to_string())),
            true => Err("a path cannot hold a NUL".to_string()),
        }
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

impl Word for Text {
    const ALLOWED: &'static str = "text";

    fn parse(text: &str) -> Result<Text, String> {
        Ok(Text(text.to_string()))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

impl Span {
    /// So many seconds.
    pub const fn seconds(count: u64) -> Span {
        Span(Duration::from_secs(count))
    }
}

impl Word for Span {
    const ALLOWED: &'static str = "a whole number and its unit: 500ms, 30s, 5m, 12h, 7d";

    fn parse(text: &str) -> Result<Span, String> {
        let wrong = || format!("`{text}` is no span of time; write {}", Span::ALLOWED);
        let split = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, unit) = SPANS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        let millis = number.checked_mul(*unit).ok_or_else(wrong)?;
        Ok(Span(Duration::from_millis(millis)))
    }

    fn show(&self) -> String {
        let millis = self.0.as_millis() as u64;
        let fitting = SPANS.iter().find(|(_, unit)| millis.is_multiple_of(*unit) && millis > 0);
        let (name, unit) = fitting.unwrap_or(&("s", 1_000));
        format!("{}{name}", millis / unit)
    }
}

impl Word for Folder {
    const ALLOWED: &'static str = "a folder's absolute path, or off";

    fn parse(text: &str) -> Result<Folder, String> {
        match text {
            "off" => Ok(Folder::Off),
            path if path.starts_with('/') && !path.contains('\0') => Ok(Folder::At(path.into())),
            _ => Err(format!("`{text}` is none; write {}", Folder::ALLOWED)),
        }
    }

    fn show(&self) -> String {
        match self {
            Folder::Off => "off".to_string(),
            Folder::At(path) => quoted(path),
        }
    }
}

/// The same for values that are one of a few words.
macro_rules! one_of {
    ($($type:ident $allowed:literal { $($variant:ident = $word:literal),+ })+) => { $(
        impl Word for $type {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Result<$type, String> {
                match text {
                    $( $word => Ok($type::$variant), )+
                    _ => Err(format!(
                        "there is no `{text}`{}; write {}",
                        suggest(text, [$( $word ),+]),
                        $allowed
                    )),
                }
            }

            fn show(&self) -> String {
                match self {
                    $( $type::$variant => $word.to_string(), )+
                }
            }
        }
    )+ };
}

one_of! {
    OutputKind "stdout or file" { Stdout = "stdout", File = "file" }
    LogFormat "text or json" { Text = "text", Json = "json" }
    LogLevel "info, warn or error" { Info = "info", Warn = "warn", Error = "error" }
}

impl Word for Matching {
    const ALLOWED: &'static str = "first or all";

    fn parse(text: &str) -> Result<Matching, String> {
        match text {
            "first" => Ok(Matching(detect::Matching::First)),
            "all" => Ok(Matching(detect::Matching::All)),
            _ => Err(format!("`{text}` is neither; write {}", Matching::ALLOWED)),
        }
    }

    fn show(&self) -> String {
        match self.0 {
            detect::Matching::First => "first".into(),
            detect::Matching::All => "all".into(),
        }
    }
}

impl Word for Priority {
    const ALLOWED: &'static str =
        "emergency, alert, critical, error, warning, notice, informational or debug";

    fn parse(text: &str) -> Result<Priority, String> {
        let named = detect::language::Priority::named(text).map(Priority);
        named.ok_or_else(|| format!("`{text}` is no priority; write {}", Priority::ALLOWED))
    }

    fn show(&self) -> String {
        self.0.name().to_ascii_lowercase()
    }
}

/// As YAML that is text whatever it looks like; a plain word stays as it is.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_lowercase() || "_-*".contains(letter))
        && !["true", "false", "null", "yes", "no", "on", "off", "auto", "y", "n"].contains(&text)
        && !text.ends_with('*');
    if plain { text.to_string() } else { serde_json::Value::from(text).to_string() }
}
