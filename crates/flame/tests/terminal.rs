//! Frames as a terminal shows them.

#[path = "terminal/glass.rs"]
mod glass;
mod made;

use std::time::{Duration, Instant};

use flame::terminal::{Action, Colour, Key, Screen, Snapshot, Watched, keys};
use flame::{Frame, FrameKind, LabelValue, Profile, Values, View, folded};
use glass::Glass;
use proptest::prelude::*;

fn watched() -> Watched {
    Watched {
        what: "make -j2".into(),
        lasted: Duration::from_millis(12_340),
        samples: 1_234,
        lost: 3,
        cut: Some(12),
    }
}

/// What is seen after `typed`, without colours.
fn seen(profile: &Profile, typed: &str, size: (u16, u16)) -> Vec<String> {
    let mut screen = Screen::new(View::default());
    let mut snapshot = Snapshot::of(profile, screen.view());
    for key in keys(typed.as_bytes(), false).0 {
        screen.key(key, &snapshot, size);
        snapshot = Snapshot::of(profile, screen.view());
    }
    let mut glass = Glass::new(size);
    glass.write(&screen.draw(&snapshot, &watched(), size, Colour::Off));
    glass.lines()
}

fn check(profile: &Profile, typed: &str, size: (u16, u16), wanted: &str) {
    let seen = seen(profile, typed, size).join("\n");
    let wanted = wanted.trim_start_matches('\n');
    assert!(seen == wanted, "{typed:?} at {size:?} shows\n{seen}\n\nin place of\n{wanted}");
}

const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";

#[test]
fn functions() {
    check(
        &made::profile(),
        DOWN,
        (80, 16),
        r"
 make -j2                  1,234 samples - 12.3 s - 99.0% whole stacks - 3 lost
 [functions] flame  callers                                  CPU time - by comm
   selfv   total                function                            binary
   60.0%   60.0%  ######        price (app.py)                      python3.11
>  20.0%   20.0%  ##            multiply                            engine
   15.0%   15.0%  ##            vfs_write                           [kernel]
    4.0%    4.0%                engine [unknown]                    engine
    1.0%    1.0%                LazyCompile:*tick /x.js:1
    0.0%   75.0%  --------      _start                              python3.11
    0.0%   75.0%  --------      main (app.py)                       python3.11
    0.0%   25.0%  ---           main                                engine
    0.0%   20.0%  --            Engine::solve<double>(int)          engine
    0.0%   20.0%  --            step                                engine
 multiply
 total 20.0% - self 20.0% - 202.0 ms - engine - engine.cpp
 ? keys  q end  enter callers  f flame  / search  s sort  z show in flame",
    );
    check(
        &made::profile(),
        "s",
        (40, 10),
        r"
 make -j2        1,234 samples - 3 lost
 [functions] flame  callers
    self  totalv    function
>   0.0%   75.0%    _start
    0.0%   75.0%    main (app.py)
   60.0%   60.0%    price (app.py)
    0.0%   25.0%    main
   20.0%   20.0%    multiply
 _start          total 75.0% - self 0.0%
 ? keys  q end  enter callers  f flame",
    );
}

#[test]
fn a_flame_graph() {
    check(
        &made::profile(),
        &format!("f{DOWN}{DOWN}{RIGHT}"),
        (80, 16),
        r"
 make -j2                  1,234 samples - 12.3 s - 99.0% whole stacks - 3 lost
  functions [flame] callers                                  CPU time - by comm
|all----------------------------------------------------------------------------
|python3.11-------------------------------------------------|engine-------------
|_start----------------------------------------------------->main===============
|main (app.py)----------------------------------------------|solve----------|e~|
|price (app.py)---------------------------------|write------|step-----------
                                                |vfs_write--|multiply-------





 main
 total 25.0% - self 0.0% - 252.5 ms - 100.0% of its caller - engine
 ? keys  q end  enter zoom  u out  t table  / search  i invert  c callers",
    );
    // One group is zoomed into, and something searched for.
    let typed = format!("f{DOWN}{RIGHT}\r{DOWN}{DOWN}/multiply\r");
    check(
        &made::profile(),
        &typed,
        (60, 14),
        r"
 make -j2                   1,234 samples - 12.3 s - 3 lost
 all > engine                 /multiply 20.0% in 1 function
|engine-----------------------------------------------------
|main-------------------------------------------------------
|Engine::solve<double>(int)---------------------|engine [~|-
|step-------------------------------------------
>multiply=======================================




 multiply
 total 20.0% - self 20.0% - 202.0 ms - 100.0% of its caller
 ? keys  q end  enter zoom  u out  t table  / search",
    );
    check(
        &made::profile(),
        "fi",
        (40, 10),
        r"
 make -j2        1,234 samples - 3 lost
  functions [flame] callers
>all====================================
|price (app.py)---------|multip~|vfs_~|-
|main (app.py)----------|step---|write|-
|_start-----------------|solve--|main-|-
|python3.11-------------|main---|_sta~
                        |engine-|pyth~
 all   total 100.0% - self 0.0% - 1.01 s
 ? keys  q end  enter zoom  u out",
    );
}

#[test]
fn callers_and_calls() {
    check(
        &made::profile(),
        "/solve\r\r",
        (80, 16),
        r"
 make -j2                  1,234 samples - 12.3 s - 99.0% whole stacks - 3 lost
  functions  flame [callers]                         /solve 20.0% in 1 function
- callers, by share of Engine::solve<double>(int) ------------------------------
          100.0%  ##########    main                                engine
>   0.0%   20.0%  --            *Engine::solve<double>(int)         engine
- calls ------------------------------------------------------------------------
          100.0%  ##########    step                                engine






 Engine::solve<double>(int)
 total 20.0% - self 0.0% - 202.0 ms - engine - engine.cpp
 ? keys  q end  enter go to  u back  z show in flame  t table  f flame",
    );
}

#[test]
fn what_is_typed_is_found_at_once() {
    check(
        &made::profile(),
        "/mult",
        (60, 9),
        r"
 make -j2                   1,234 samples - 12.3 s - 3 lost
 [functions] flame  callers       /mult 20.0% in 1 function
   selfv   total                function
   60.0%   60.0%  ######        price (app.py)
>  20.0%   20.0%  ##            *multiply
   15.0%   15.0%  ##            vfs_write
    4.0%    4.0%                engine [unknown]
 multiply                total 20.0% - self 20.0% - 202.0 ms
 /mult_                        enter keeps it - esc ends it",
    );
}

#[test]
fn waiting_and_helping() {
    check(
        &Profile::default(),
        "",
        (40, 10),
        r"
 make -j2        1,234 samples - 3 lost
 [functions] flame  callers



             no samples yet


 all              total 0.0% - self 0.0%
 ? keys  q end  enter callers  f flame",
    );
    check(
        &made::profile(),
        "gvf?",
        (40, 12),
        r"
 make -j2        1,234 samples - 3 lost
  functions [flame] callers
        t f  functions, flame graph
        tab  the next pane
     arrows  move; also h j k l
      enter  zoom in, or its callers
          z  show it in the flame graph
      u esc  out again, back
          c  its callers and calls
          /  search functions, binaries
 all            total 100.0% - self 0.0%
 any key back",
    );
}

#[test]
fn keys_change_the_view_and_tell_what_to_do() {
    let profile = made::profile();
    let mut screen = Screen::new(View::default());
    let snapshot = Snapshot::of(&profile, screen.view());
    let mut press = |char| screen.key(Key::Char(char), &snapshot, (80, 24));
    assert_eq!(press('x'), Action::None);
    assert_eq!(press('i'), Action::Redraw);
    assert_eq!(press('g'), Action::Redraw);
    assert_eq!(press('p'), Action::Pause);
    assert_eq!(press('q'), Action::Quit);
    assert!(screen.view().inverted && screen.view().groups.is_empty() && screen.is_paused());
    assert!(!snapshot.is_of(screen.view()));
    // In a search letters are letters, but one comes out of everything.
    assert_eq!(screen.key(Key::Char('/'), &snapshot, (80, 24)), Action::Redraw);
    assert_eq!(screen.key(Key::Char('q'), &snapshot, (80, 24)), Action::Redraw);
    assert_eq!(screen.key(Key::Control('c'), &snapshot, (80, 24)), Action::Quit);
}

#[test]
fn without_colours_all_is_plain() {
    let profile = made::profile();
    for typed in ["", "f", "c", "/solve\r", "f/solve\r", "?"] {
        for size in [(40, 10), (80, 24), (200, 60)] {
            let (mut screen, mut glass) = (Screen::new(View::default()), Glass::new(size));
            let snapshot = Snapshot::of(&profile, screen.view());
            for key in keys(typed.as_bytes(), false).0 {
                screen.key(key, &snapshot, size);
            }
            let frame = screen.draw(&snapshot, &watched(), size, Colour::Off);
            glass.write(&frame);
            assert_eq!(glass.inked, 0);
            assert!(frame.is_ascii(), "{frame}");
            glass.write(&screen.draw(&snapshot, &watched(), size, Colour::Palette));
            assert!(glass.inked > 100);
        }
    }
}

#[test]
fn the_root_fills_every_width() {
    let profile = made::profile();
    for width in 1..250 {
        let lines = seen(&profile, "f", (width, 20));
        assert_eq!(lines[2].chars().count(), usize::from(width), "{lines:?}");
        assert!(lines[2].starts_with('>'));
    }
}

/// Names that are not meant well.
const HOSTILE: [&str; 9] = [
    "\u{1b}[2J\u{1b}[1;1Hpwned",
    "\u{1b}]0;title\u{7}\u{9b}31m\r\n\t\u{8}\u{8}",
    "日本語の関数名前がとても長い",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽",
    "a\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}",
    "\u{202e}gnitirw\u{2066}\u{200b}\u{feff}",
    "\u{301}\u{1160}\u{fe0f}\u{e0001}",
    "operator<<<<<((((",
    "",
];

fn hostile(names: &[(usize, usize)]) -> Profile {
    let mut profile = Profile::default();
    for (at, &(one, repeated)) in names.iter().enumerate() {
        let text = HOSTILE[one % HOSTILE.len()].repeat(repeated);
        let kind = FrameKind::ALL[at % FrameKind::ALL.len()];
        let binary = (at % 3 > 0).then(|| text.as_str().into());
        let frame = Frame { function: text.as_str().into(), binary, kind, ..Frame::default() };
        let frame = profile.frame(frame);
        let depth = 1 + at % 5;
        let stack = profile.stack(vec![frame; depth]);
        let labels = profile.labels([("comm", LabelValue::from(text.as_str()))]);
        profile.add(stack, labels, Values::cpu(1 + at as u64, 1 << (at % 64)));
    }
    profile
}

fn pressed(number: u8) -> Key {
    const KEYS: [Key; 14] = [
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Control('u'),
    ];
    // Down and into it more often than not, or one stays at the root.
    match number {
        0..100 => KEYS[usize::from(number) % KEYS.len()],
        100..160 => {
            [Key::Down, Key::Enter, Key::Char('z'), Key::Char('c')][usize::from(number) % 4]
        }
        _ => Key::Char(char::from(b"tfcziugvspnN/?oj"[usize::from(number) % 16])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_names_keys_or_sizes_break_a_frame(
        names in proptest::collection::vec((0usize..9, 0usize..40), 0..40),
        steps in proptest::collection::vec((0u8.., 0u16..220, 0u16..70, 0usize..40), 1..30),
    ) {
        let mut screen = Screen::new(View::default());
        let mut profile = hostile(&names[..names.len() / 2]);
        let mut snapshot = Snapshot::of(&profile, screen.view());
        let watched = Watched { what: HOSTILE[names.len() % 9].repeat(5), ..watched() };
        for (at, &(number, width, height, more)) in steps.iter().enumerate() {
            let size = (width, height);
            if screen.key(pressed(number), &snapshot, size) == Action::Quit {
                break;
            }
            if !snapshot.is_of(screen.view()) || at % 4 == 3 {
                profile.merge(&hostile(&names[..more.min(names.len())]));
                snapshot = Snapshot::of(&profile, screen.view());
            }
            let colour = [Colour::Off, Colour::Palette, Colour::Full][at % 3];
            let mut glass = Glass::new(size);
            glass.write(&screen.draw(&snapshot, &watched, size, colour));
            let lines = glass.lines();
            prop_assert_eq!(lines.len(), usize::from(height));
            prop_assert!(!lines.concat().contains(glass::OLD));
        }
    }
}

#[test]
fn ten_thousand_letters_are_a_name_too() {
    for letter in ["x", "日", "e\u{301}", "a::", "<", "("] {
        let line = format!("app;main;{0};{0}b 5\n", letter.repeat(10_000));
        let profile = folded::read(line.as_bytes(), &folded::Reading::default()).unwrap().profile;
        for typed in ["", "f", "fjjj", "fjjjc", "fjjj\r"] {
            for size in [(40, 10), (81, 24), (3, 9)] {
                assert!(!seen(&profile, typed, size).is_empty());
            }
        }
    }
}

/// 100,000 calls: a tree as wide as it is deep.
fn large() -> Profile {
    let mut profile = Profile::default();
    let frames: Vec<_> = (0..5_000)
        .map(|at| {
            let function = format!("library::module_{}::function_{at}", at % 37).into();
            let binary = Some(format!("lib{}.so", at % 50).into());
            profile.frame(Frame { function, binary, ..Frame::default() })
        })
        .collect();
    let labels = profile.labels([("comm", LabelValue::from("app"))]);
    let mut random = 1u64;
    while profile.calls() < 100_000 {
        let mut stack = flame::StackId::default();
        for level in 0..40 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Half of the stacks part early, half late.
            let width = if level < 6 { 3 } else { 1 + (random >> 60) as usize };
            stack = profile
                .call(stack, frames[(level * 120 + (random >> 33) as usize % width) % 5_000]);
        }
        profile.add(stack, labels, Values::cpu(1, 10_000_000));
    }
    profile
}

#[test]
fn drawing_takes_no_time() {
    let profile = large();
    let mut screen = Screen::new(View::default());
    let begun = Instant::now();
    let snapshot = Snapshot::of(&profile, screen.view());
    println!("{} calls: a snapshot takes {:?}", profile.calls(), begun.elapsed());
    let size = (200, 60);
    for typed in ["", "f", "jjjjjj", "/function_1\r", "c"] {
        for key in keys(typed.as_bytes(), false).0 {
            screen.key(key, &snapshot, size);
        }
        // The quickest of some: others use this machine too.
        let times = (0..10).map(|_| {
            let begun = Instant::now();
            let frame = screen.draw(&snapshot, &watched(), size, Colour::Palette);
            (begun.elapsed(), frame.len())
        });
        let (quickest, bytes) = times.min().unwrap();
        println!("after {typed:?} a frame of {bytes} bytes takes {quickest:?}");
        assert!(quickest < Duration::from_millis(20));
    }
}
