//! The same questions, asked of an agent's door.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use api::{Access, Audit, Door, Doorway, Health, Readiness};
use query::{Engine, Options};
use schema::Table;
use tempfile::TempDir;

use crate::asking::interrupt;
use crate::stored::{ROWS, stored};
use crate::{command, out, query, said};

/// What is behind the door: an engine over a directory, and no agent.
struct Store(Arc<Engine>);

impl api::Source for Store {
    fn metrics(&self) -> String {
        String::new()
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn ready(&self) -> Readiness {
        Readiness::default()
    }

    fn tables(&self) -> String {
        export::docs::json(&fathom::signals::tables())
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        Some(self.0.clone())
    }

    fn followed(&self) -> Vec<&'static Table> {
        Vec::new()
    }

    fn tail(&self, _: &'static Table) -> Option<bus::Subscription> {
        None
    }

    fn audit(&self, _: Audit) {}

    fn warn(&self, _: String) {}
}

/// A door to what is in `folder`.
fn open(folder: &Path, access: Access) -> Door {
    let tables = fathom::signals::tables();
    let (catalogue, _) = store::Catalogue::read_only(folder, &tables).expect("a store");
    let options = Options {
        threads: 2,
        memory: 256 << 20,
        time_out: Duration::from_secs(30),
        rows_most: u64::MAX,
        queries_most: 4,
    };
    let engine = Engine::new(catalogue, &tables, options).expect("an engine");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let doorway = Doorway { access, ..Doorway::at(listen) };
    api::serve(doorway, Arc::new(Store(Arc::new(engine)))).expect("a door")
}

fn ask(door: &Door, words: &[&str]) -> Output {
    let address = door.address().to_string();
    let output = command(&[&["query", "--server", &address], words].concat()).output();
    output.expect("it runs")
}

#[test]
fn the_agent_answers_as_the_directory_does() {
    let folder = stored(100, true);
    let door = open(folder.path(), Access::default());
    for form in ["table", "json", "csv"] {
        let words = ["-o", form, "select * from agent_map order by time"];
        let (remote, local) = (ask(&door, &words), query(folder.path(), &words));
        assert!(out(&remote) == out(&local), "{form}");
        // But for how long it took.
        let lines = |output: &Output| {
            said(output).lines().filter(|it| !it.contains(" rows in ")).collect::<String>()
        };
        assert_eq!(lines(&remote), lines(&local));
        assert!(lines(&remote).contains("lost: 7 agent_map"), "{}", said(&remote));
    }
    let output = ask(&door, &["--limit", "3", "-o", "csv", "select pid from agent_map"]);
    assert_eq!(out(&output).lines().count(), 4);
    assert!(said(&output).contains("there are more"), "{}", said(&output));
}

#[test]
fn what_is_wrong_is_shown_in_the_same_words() {
    let folder = stored(0, false);
    let door = open(folder.path(), Access::default());
    for sql in ["select memroy from agent_map", "selct 1", "drop table agent_map"] {
        let (remote, local) = (ask(&door, &[sql]), query(folder.path(), &[sql]));
        assert_eq!(remote.status.code(), Some(1));
        assert_eq!(said(&remote), said(&local));
    }
}

#[test]
fn a_token_is_shown_where_it_is_wanted() {
    let folder = stored(0, false);
    let place = TempDir::new().unwrap();
    let tokens = place.path().join("tokens");
    fs::write(&tokens, "alice s3cret-s3cret-s3cret-s3cret\n").unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let door = open(folder.path(), Access { tokens: Some(tokens.clone()), ..Access::default() });
    let sql = "select count(*) as rows from agent_map";
    let refused = ask(&door, &[sql]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("token"), "{}", said(&refused));
    let own = place.path().join("token");
    fs::write(&own, "s3cret-s3cret-s3cret-s3cret\n").unwrap();
    for file in [&tokens, &own] {
        let words = ["--token-file", file.to_str().unwrap(), "-o", "csv", sql];
        assert_eq!(out(&ask(&door, &words)), format!("rows\n{ROWS}\n"));
    }
}

#[test]
fn an_interrupted_question_ends_soon_here_as_well() {
    let folder = stored(0, false);
    let door = open(folder.path(), Access::default());
    interrupt(&["--server", &door.address().to_string()]);
}
