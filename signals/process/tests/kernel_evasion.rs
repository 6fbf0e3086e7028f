//! Programs that are run by 32-bit calls make the rows that the plain way makes.

use signal_process::PROCESS;
use testkit::evade::{Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

#[test]
fn the_ways_around_calls_make_the_same_rows() {
    let test = "the_ways_around_calls_make_the_same_rows";
    for mechanism in &mechanisms() {
        let Some(watch) = Watch::start(test, &[&PROCESS], &[mechanism]).expect("it loads") else {
            continue;
        };
        let evader = Evader::new(test).expect("a program to act");
        let (acts, rows) = match evader.run(&watch, "ia32", "execs").expect("it acts") {
            Outcome::Done(acts, rows) => (acts, rows),
            Outcome::Unavailable(why) => return not_run(test, &why),
        };
        let execs: Vec<&Seen> = rows.iter().filter(|row| row.table == "process_exec").collect();
        // The first is the program's own start.
        let told: Vec<_> = execs.iter().skip(1).zip(&acts).collect();
        assert_eq!((told.len(), execs.len()), (3, 4), "{mechanism}: {execs:#?}");
        for (row, act) in told {
            assert!(act.is_told_by(row), "{mechanism}: {act:#?} is not told by {row:#?}");
            let expected = if act.error().is_some() { "two" } else { "leave" };
            let expected = format!("one\\u{{0}}{expected}\\u{{0}}");
            assert_eq!(row.text("args"), Some(expected.as_str()), "{mechanism}");
        }
    }
}
