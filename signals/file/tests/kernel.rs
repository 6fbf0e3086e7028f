//! Acts, and expects the rows; on this host and on every kernel of the matrix, on every rung.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

use signal_file::FILE;
use testkit::watch::{CLASSIC, MECHANISMS, Seen, Watch, mechanisms};

/// Set in the child that acts, to the directory it acts in; it is this very test program.
const ACT: &str = "FATHOM_TEST_ACT";

#[test]
fn what_is_done_to_files() {
    let Some(rows) = watch("what_is_done_to_files", MECHANISMS) else { return };
    let find = |table: &str, path: &str| -> &Seen {
        let is_it = |row: &&Seen| row.table == table && row.text("path") == Some(path);
        rows.iter().find(is_it).unwrap_or_else(|| panic!("no {table} of {path} in {rows:#?}"))
    };
    let here = place("what_is_done_to_files");
    let here = here.to_str().expect("a plain path");

    let made = find("file_open", "made");
    assert_eq!(made.text("dir"), Some(here));
    assert_eq!(made.text("path_resolved"), Some(format!("{here}/made").as_str()));
    assert_eq!(made.text("path_differs"), Some("false"));
    assert_eq!((made.text("created"), made.number("error")), (Some("true"), None));
    assert_eq!(made.text("call"), Some("openat"));

    let through = find("file_open", "link");
    assert_eq!(through.text("path_resolved"), Some(format!("{here}/renamed").as_str()));
    assert_eq!(through.text("path_differs"), Some("true"));
    assert_eq!(through.text("created"), Some("false"));

    let missing = find("file_open", "/nonexistent/file");
    assert_eq!((missing.number("error"), missing.text("path_resolved")), (Some(2), None));

    assert_eq!(find("file_rename", "made").text("new_path"), Some("renamed"));
    assert_eq!(find("file_chmod", "renamed").number("mode"), Some(0o640));
    assert_eq!(find("file_chown", "renamed").number("gid"), Some(0));
    assert_eq!(find("file_link", "renamed").text("new_path"), Some("second"));
    assert_eq!(find("file_symlink", "link").text("target"), Some("renamed"));
    assert_eq!(find("file_mkdir", "folder").number("error"), None);
    assert_eq!(find("file_mkdir", "folder/").number("error"), Some(17));
    assert_eq!(find("file_rmdir", "folder").number("error"), None);
    assert_eq!(find("file_unlink", "second").number("error"), None);
    assert_eq!(find("file_unlink", "absent").number("error"), Some(2));
    let truncated = rows.iter().find(|row| row.table == "file_truncate").expect("a truncate");
    assert_eq!(truncated.number("size"), Some(5));
    let called = |table, path| find(table, path).text("call").map(str::to_owned);
    assert_eq!(called("file_rename", "made").as_deref(), Some("rename"));
    assert_eq!(called("file_link", "renamed").as_deref(), Some("linkat"));
    assert_eq!(called("file_unlink", "absent").as_deref(), Some("unlink"));
    assert_eq!(truncated.text("call"), Some("ftruncate"));
    assert_eq!(truncated.text("path_resolved"), Some(format!("{here}/renamed").as_str()));
}

#[test]
fn every_rung_gives_the_same_rows() {
    let test = "every_rung_gives_the_same_rows";
    let mut first: Option<(&str, Vec<Row>)> = None;
    for mechanism in &mechanisms() {
        let Some(rows) = watch(test, &[mechanism]) else { continue };
        let here = place(test);
        let resolved = |table: &str, path: &str| {
            let is_it = |row: &&Seen| row.table == table && row.text("path") == Some(path);
            let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("no {table} of {path}"));
            row.text("path_resolved").map(PathBuf::from)
        };
        // What only a hook inside the call can know.
        let knows = !["tp_btf", CLASSIC].contains(mechanism);
        let expected = |name: &str| knows.then(|| here.join(name));
        assert_eq!(resolved("file_unlink", "second"), expected("second"), "{mechanism}");
        assert_eq!(resolved("file_rename", "made"), expected("made"), "{mechanism}");
        assert_eq!(resolved("file_mkdir", "folder"), expected("folder"), "{mechanism}");
        assert_eq!(resolved("file_rmdir", "folder"), expected("folder"), "{mechanism}");
        assert_eq!(resolved("file_chmod", "renamed"), expected("renamed"), "{mechanism}");
        assert_eq!(resolved("file_symlink", "link"), expected("link"), "{mechanism}");
        assert_eq!(resolved("file_unlink", "absent"), None, "{mechanism}: it was never found");

        let rows: Vec<Row> = rows.iter().map(comparable).collect();
        match &first {
            None => first = Some((mechanism, rows)),
            Some((other, expected)) => {
                assert_eq!(&rows, expected, "{mechanism} and {other} tell different things");
            }
        }
    }
}

/// Not a test of its own: what the child does.
#[test]
fn actor() {
    let Ok(here) = std::env::var(ACT) else { return };
    std::env::set_current_dir(here).expect("the directory was made");
    let file = File::create("made").expect("create");
    fs::rename("made", "renamed").expect("rename");
    fs::set_permissions("renamed", Permissions::from_mode(0o640)).expect("chmod");
    chown("renamed", Some(0), Some(0)).expect("chown");
    fs::hard_link("renamed", "second").expect("link");
    symlink("renamed", "link").expect("symlink");
    File::open("link").expect("open through a link");
    File::open("/nonexistent/file").expect_err("there is none");
    fs::create_dir("folder").expect("mkdir");
    fs::create_dir("folder/").expect_err("it is there");
    fs::remove_dir("folder").expect("rmdir");
    fs::remove_file("second").expect("unlink");
    fs::remove_file("absent").expect_err("there is none");
    file.set_len(5).expect("truncate");
    exit(0);
}

/// What has to be the same on every rung: all but what a rung may not know, or numbers anew.
type Row = (&'static str, Vec<(&'static str, Option<String>)>);

fn comparable(row: &Seen) -> Row {
    let differing =
        ["path_resolved", "path_differs", "new_path_resolved", "new_path_differs", "inode", "fd"];
    (row.table, row.without(&differing))
}

fn watch(test: &str, mechanisms: &[&str]) -> Option<Vec<Seen>> {
    let watch = Watch::start(test, &[&FILE], mechanisms).expect("it loads")?;
    let here = place(test);
    // A rest of an earlier run that failed.
    let _ = fs::remove_dir_all(&here);
    fs::create_dir_all(&here).expect("a place to act in");
    let own = std::env::current_exe().expect("we have a path");
    let mut command = Command::new(own);
    command.args(["--exact", "actor", "--nocapture"]).env(ACT, &here).stdout(Stdio::null());
    let (status, rows) = watch.run(&mut command).expect("it runs");
    assert!(status.success());
    fs::remove_dir_all(&here).expect("clean up");
    // The loader's and the test harness's own opens differ from run to run.
    let begun =
        rows.iter().position(|row| row.table == "file_open" && row.text("path") == Some("made"));
    Some(rows[begun.expect("the first act is seen")..].to_vec())
}

fn place(test: &str) -> PathBuf {
    let temporary = fs::canonicalize(std::env::temp_dir()).expect("there is a /tmp");
    Path::new(&temporary).join(format!("fathom-{test}-{}", std::process::id()))
}
