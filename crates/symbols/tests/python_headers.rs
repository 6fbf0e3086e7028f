//! What is known of interpreters is compared with what their own headers and their own tables say.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use schema::PythonCode;
use symbols::elf::Elf;
use symbols::python::{Codes, Interpreter, Offsets, PythonError};
use testkit::watch::not_run;

/// Long and short functions, of all kinds.
const MODULES: [&str; 4] = ["argparse", "decimal", "asyncio.base_events", "xml.dom.minidom"];

#[test]
fn offsets_are_those_of_the_headers() {
    let name = "offsets_are_those_of_the_headers";
    for (python, minor) in interpreters(name) {
        let ask = "import sysconfig; print(sysconfig.get_path('include'))";
        let include = PathBuf::from(run(Command::new(&python).args(["-c", ask])).trim());
        if !include.join("internal/pycore_frame.h").exists() {
            not_run(name, &format!("{} has no headers", python.display()));
            continue;
        }
        let folder = std::env::temp_dir().join(format!("fathom-headers-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (source, program) = (folder.join("offsets.c"), folder.join("offsets"));
        fs::write(&source, include_str!("python/offsets.c")).expect("it is written");
        let mut compiler = Command::new("gcc");
        compiler.arg("-w").arg("-I").arg(&include).arg(&source).arg("-o").arg(&program);
        match compiler.status() {
            Ok(status) => assert!(status.success(), "{} does not compile", python.display()),
            Err(error) => {
                not_run(name, &format!("gcc: {error}"));
                return;
            }
        }
        let said = run(&mut Command::new(&program));
        fs::remove_dir_all(&folder).expect("it goes");
        let found = interpreter(&python);
        assert_eq!(found.version, (3, minor), "{}", python.display());
        let mut expected: Vec<&str> = said.lines().collect();
        let own = words(&found.offsets);
        let mut own: Vec<&str> = own.iter().map(String::as_str).collect();
        expected.sort_unstable();
        own.sort_unstable();
        assert_eq!(own, expected, "{}", python.display());
        println!("{}: {} offsets", python.display(), own.len());
    }
}

#[test]
fn lines_are_those_of_the_interpreter() {
    for (python, _) in interpreters("lines_are_those_of_the_interpreter") {
        let mut command = Command::new(&python);
        command.args(["-c", include_str!("python/lines.py")]).args(MODULES);
        let mut count = 0;
        for (at, text) in run(&mut command).lines().enumerate() {
            let mut words = text.split(' ');
            let first_line = words.next().and_then(|it| it.parse().ok()).expect("a first line");
            let table = words.next().expect("a table");
            let lines = (0..table.len() / 2)
                .map(|at| u8::from_str_radix(&table[2 * at..2 * at + 2], 16).expect("a byte"))
                .collect();
            let mut codes = Codes::new(1 << 20);
            let code = at as u64;
            codes.tell(PythonCode { space: 1, code, first_line, lines, ..PythonCode::default() });
            let code = codes.get(1, code).expect("it was told");
            for (unit, expected) in words.enumerate() {
                // Where there is no line the function's first is given.
                let expected = match expected {
                    "None" => first_line,
                    line => line.parse().expect("a line"),
                };
                let line = code.line(Some(unit as u32 * 2));
                assert_eq!(line, expected, "{} {at} unit {unit}", python.display());
                count += 1;
            }
        }
        println!("{}: {count} instructions", python.display());
        assert!(count > 10_000, "{}: {count}", python.display());
    }
}

#[test]
fn what_is_no_interpreter_is_none() {
    let own = std::env::current_exe().expect("we run");
    assert_eq!(find(&own), Ok(None));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let old = home.join(".pyenv/versions/3.10.13/lib/libpython3.10.so.1.0");
    if old.exists() {
        // It is one, but from before interpreters said which they are.
        assert_eq!(find(&old), Err(PythonError::Unknown));
    } else {
        not_run("what_is_no_interpreter_is_none", "there is no Python 3.10");
    }
}

/// A damaged interpreter is refused or leads somewhere else, and takes nobody down.
#[test]
fn damaged_interpreters_do_no_harm() {
    let Some((python, _)) = interpreters("damaged_interpreters_do_no_harm").pop() else { return };
    let path = binary(&python);
    let whole = fs::read(&path).expect("it can be read");
    let mut rng = testkit::rng::Rng::new(11);
    for round in 0..40 {
        let mut bytes = whole.clone();
        if round % 4 == 0 {
            bytes.truncate(rng.below(bytes.len()));
        }
        let sections = bytes.len().saturating_sub(4096)..bytes.len();
        for _ in 0..64 {
            // Headers are at the begin and, of sections, at the end.
            let at =
                if rng.chance(50) { rng.below(4096) } else { rng.below(4096) + sections.start };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.below(256) as u8;
            }
        }
        if let Ok(elf) = Elf::from_bytes(bytes) {
            let _ = Interpreter::find(&elf);
        }
    }
}

fn words(offsets: &Offsets) -> Vec<String> {
    let Offsets {
        interpreters,
        interpreter_next,
        threads,
        thread_next,
        thread_id,
        current,
        current_behind,
        previous,
        executable,
        instruction,
        owner,
        entry,
        first_line,
        name,
        file,
        table,
        instructions,
        bytes_size,
        bytes_data,
        text_length,
        text_state,
        text_kind,
        text_ascii,
        text_other,
    } = *offsets;
    let some = |name: &str, at: Option<u32>| at.map(|at| format!("{name} {at}"));
    let all = [
        ("interpreters", interpreters),
        ("interpreter_next", interpreter_next),
        ("threads", threads),
        ("thread_next", thread_next),
        ("thread_id", thread_id),
        ("current", current),
        ("previous", previous),
        ("executable", executable),
        ("instruction", instruction),
        ("owner", owner),
        ("first_line", first_line),
        ("name", name),
        ("file", file),
        ("table", table),
        ("instructions", instructions),
        ("bytes_size", bytes_size),
        ("bytes_data", bytes_data),
        ("text_length", text_length),
        ("text_state", text_state),
        ("text_kind", text_kind),
        ("text_ascii", text_ascii),
        ("text_other", text_other),
    ];
    let all = all.map(|(name, at)| Some(format!("{name} {at}")));
    let more = [some("current_behind", current_behind), some("entry", entry)];
    all.into_iter().chain(more).flatten().collect()
}

fn find(path: &Path) -> Result<Option<Interpreter>, PythonError> {
    let file = File::open(path).expect("it is there");
    Interpreter::find(&Elf::open(file).expect("an ELF file"))
}

fn interpreter(python: &Path) -> Interpreter {
    find(&binary(python)).expect("it can be read").expect("it is one")
}

/// The file that really has the interpreter: the program, or its library.
fn binary(python: &Path) -> PathBuf {
    let ask = "import sysconfig as s; print(s.get_config_var('Py_ENABLE_SHARED'), \
               s.get_config_var('LIBDIR'), s.get_config_var('INSTSONAME'))";
    let said = run(Command::new(python).args(["-c", ask]));
    match said.split_whitespace().collect::<Vec<_>>()[..] {
        ["1", folder, name] if Path::new(folder).join(name).exists() && !is_own(python) => {
            Path::new(folder).join(name)
        }
        _ => python.to_path_buf(),
    }
}

/// Whether the program has the interpreter in it, whatever its library does.
fn is_own(python: &Path) -> bool {
    matches!(find(python), Ok(Some(_)))
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The interpreters of this machine with their minor version, and a note for each version of which
/// there is none.
fn interpreters(test: &str) -> Vec<(PathBuf, u8)> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let own = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let own = own.map(|version| version.path().join("bin"));
    let folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/local/bin"].map(PathBuf::from).into_iter().chain(own).collect();
    let mut all = Vec::new();
    for minor in 11..=14u8 {
        let paths = folders.iter().map(|folder| folder.join(format!("python3.{minor}")));
        let found: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
        if found.is_empty() {
            not_run(test, &format!("there is no Python 3.{minor}"));
        }
        all.extend(found.into_iter().map(|path| (path, minor)));
    }
    all
}
