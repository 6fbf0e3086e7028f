use super::super::condition::{Argument, Field, Modifier, Operand, Operator, Transformer};
use super::super::diagnostic::Place;
use super::*;

fn read(text: &str) -> Result<Expression, Box<Refusal>> {
    parse(&Traced::line(text, Place { file: "c".into(), line: 1, column: 1 }))
}

/// What was read, written plainly.
fn shown(text: &str) -> String {
    match read(text) {
        Ok(expression) => show(&expression),
        Err(refusal) => format!("{}: {}", refusal.origin.place.column, refusal.told()),
    }
}

fn show(expression: &Expression) -> String {
    let all = |parts: &[Expression], between: &str| {
        let parts: Vec<String> = parts.iter().map(show).collect();
        format!("({})", parts.join(between))
    };
    match expression {
        Expression::And(parts) => all(parts, " and "),
        Expression::Or(parts) => all(parts, " or "),
        Expression::Not(part) => format!("not {}", show(part)),
        Expression::Macro { name, .. } => name.clone(),
        Expression::Check(check) => {
            let with = match &check.with {
                Operand::Nothing => String::new(),
                Operand::Value(value) => format!(" {value:?}"),
                Operand::List(values) => format!(" {values:?}"),
                Operand::Field(field) => format!(" val {}", show_field(field)),
            };
            let modifier = check.modifier.map_or(String::new(), |it| format!(" {it:?}"));
            format!("{} {}{modifier}{with}", show_field(&check.field), check.operator.name())
        }
    }
}

fn show_field(field: &Field) -> String {
    let argument = match &field.argument {
        None => String::new(),
        Some(Argument::Index(index)) => format!("[{index}]"),
        Some(Argument::Key(key)) => format!("[{key:?}]"),
    };
    let mut text = format!("{}{argument}", field.name);
    for transformer in &field.transformers {
        text = match transformer {
            Transformer::Join(between, others) => {
                let others: Vec<String> = others.iter().map(show_field).collect();
                format!("join({between:?}, {text}, {})", others.join(", "))
            }
            other => format!("{other:?}({text})"),
        };
    }
    text
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    for (text, expected) in [
        ("a", "a"),
        ("a and b or c and not d", "((a and b) or (c and not d))"),
        ("not (a or b) and not not c", "(not (a or b) and c)"),
        ("not(a)and(b)or(c)", "((not a and b) or c)"),
        ("((a))", "a"),
        ("not not(a and b)", "(a and b)"),
        ("nothing and android or orange", "((nothing and android) or orange)"),
        ("\n a\tand\r\n b ", "(a and b)"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn every_operator_takes_its_kind_of_right_hand_side() {
    for (text, expected) in [
        ("proc.name=cat", r#"proc.name = "cat""#),
        ("proc.name == \"a b\"", r#"proc.name = "a b""#),
        ("fd.num>=-1.5e+3", r#"fd.num >= "-1.5e+3""#),
        ("fd.num < 0x1F", r#"fd.num < "0x1F""#),
        ("fd.name exists and a", "(fd.name exists and a)"),
        ("fd.name startswith /etc", r#"fd.name startswith "/etc""#),
        ("fd.name glob '*.so'", r#"fd.name glob "*.so""#),
        ("fd.name iglob *.so", r#"fd.name iglob "*.so""#),
        ("fd.name regex [a-z]+", r#"fd.name regex "[a-z]+""#),
        ("fd.name bcontains cafe", r#"fd.name bcontains "cafe""#),
        ("fd.name in(a,'b c', \"d\")", r#"fd.name in ["a", "b c", "d"]"#),
        ("fd.name in ()", "fd.name in []"),
        ("fd.name in one", r#"fd.name in ["one"]"#),
        ("fd.name pmatch (/etc, /usr)", r#"fd.name pmatch ["/etc", "/usr"]"#),
        ("proc.args intersects (a)", r#"proc.args intersects ["a"]"#),
        ("fd.name endswith anyof (.a, .b)", r#"fd.name endswith AnyOf [".a", ".b"]"#),
        ("proc.name = oneof(a)", r#"proc.name = OneOf ["a"]"#),
        ("proc.name != allof ()", "proc.name != AllOf []"),
        ("proc.name = anyof and a", r#"(proc.name = "anyof" and a)"#),
        // Words of the language are values where a value stands.
        ("proc.name = and or evt.type = not", r#"(proc.name = "and" or evt.type = "not")"#),
        ("proc.name = exists", r#"proc.name = "exists""#),
        ("evt.dir = <", r#"evt.dir = "<""#),
        ("proc.name = val(proc.pname)", "proc.name = val proc.pname"),
        ("proc.name in val(proc.aname[2])", "proc.name in val proc.aname[2]"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn fields_have_arguments_and_transformers() {
    for (text, expected) in [
        ("proc.aname[2] exists", "proc.aname[2] exists"),
        ("proc.aname[02] exists", "proc.aname[\"02\"] exists"),
        ("evt.arg['a b'] exists", "evt.arg[\"a b\"] exists"),
        ("a.b.c[x.y/z] exists", "a.b.c[\"x.y/z\"] exists"),
        ("tolower(toupper( proc.name )) = a", "ToUpper(proc.name) = \"a\""),
        (
            "concat(proc.name, tolower(proc.exe)) = a",
            "join(\"\", proc.name, ToLower(proc.exe)) = \"a\"",
        ),
        ("join('-', (proc.name, fd.name)) = a", "join(\"-\", proc.name, fd.name) = \"a\""),
        ("getopt(proc.args, 'nt:')[t] = a", "Getopt(\"nt:\", Some('t'))(proc.args) = \"a\""),
        ("len(proc.args) > 3", "Len(proc.args) > \"3\""),
        ("proc.name = basename(proc.exe)", "proc.name = val Basename(proc.exe)"),
        ("b64(evt.arg.data) contains x", "Base64(evt.arg.data) contains \"x\""),
    ] {
        let expected = expected.replace("ToUpper(proc.name)", "ToLower(ToUpper(proc.name))");
        assert_eq!(shown(text), expected, "{text}");
    }
    let Ok(Expression::Check(check)) = read("tolower(toupper(a.b)) = x") else { panic!() };
    assert_eq!(check.field.transformers, [Transformer::ToUpper, Transformer::ToLower]);
    assert_eq!((check.place.column, check.field.place.column), (1, 17));
    assert_eq!((check.operator, check.modifier), (Operator::Equal, None::<Modifier>));
}

#[test]
fn quotes_and_escapes_are_those_of_falco() {
    for (text, expected) in [
        (r#"a.b = "x\"y""#, r#"a.b = "x\"y""#),
        (r"a.b = 'it\'s'", r#"a.b = "it's""#),
        (r#"a.b = "a\\b\n\t\/""#, r#"a.b = "a\\b\n\t/""#),
        // The blank behind a backslash is lost.
        (r#"a.b = "a\ b""#, r#"a.b = "a\\b""#),
        (r#"a.b = """#, r#"a.b = """#),
        (r#"a.b in ('"x y"')"#, r#"a.b in ["\"x y\""]"#),
        (r#"a.b = "\d+""#, r"8: `\d` means nothing here"),
        (r#"a.b = '\"'"#, r#"8: `\"` means nothing here"#),
        (r#"a.b = "x and y"#, "7: this `\"` is never closed"),
        (r#"a.b = "x\\" and c"#, "7: this `\"` is never closed"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    for (text, expected) in [
        ("", "1: expected a comparison, a macro or a `(`, found the end"),
        ("a and", "6: expected a comparison, a macro or a `(`, found the end"),
        ("a b", "3: expected `and` or `or`, found `b`"),
        ("a andb", "3: expected `and` or `or`, found `andb`"),
        ("a && b", "3: expected `and` or `or`, found `&&`"),
        ("(a and (b or c)", "1: this `(` is never closed"),
        ("a)", "2: this `)` closes nothing"),
        ("()", "2: expected a comparison, a macro or a `(`, found `)`"),
        ("a.b", "4: expected an operator behind `a.b`, found the end"),
        ("a.b contain x", "5: expected an operator behind `a.b`, found `contain`"),
        ("a.b containsx", "5: expected an operator behind `a.b`, found `containsx`"),
        ("a.b inside x", "5: expected an operator behind `a.b`, found `inside`"),
        ("a.b > x", "7: expected a number, found `x`"),
        ("a.b > \"5\"", "7: expected a number, found `\"`"),
        ("a.b > 5s", "8: expected `and` or `or`, found `s`"),
        ("a.b = (x)", "7: expected a value, found `(`"),
        ("a.b =", "6: expected a value, found the end"),
        ("a.b in (x, )", "12: expected a value, found `)`"),
        ("a.b in (x y)", "11: expected a `,` or a `)`, found `y`"),
        ("a.b in (x", "8: this `(` is never closed"),
        ("a.b in \"x\"", "8: expected values in parentheses, found `\"`"),
        ("a.b[ = 2", "5: expected a number or a key in the brackets, found ` `"),
        ("a.b[2 = 2", "6: expected a `]`, found ` `"),
        ("a.b = val(x)", "11: expected a field in `val(…)`, found `x`"),
        ("tolower(x) = a", "9: expected a field in `tolower(…)`, found `x`"),
        ("tolower(a.b, c.d) = a", "12: expected the `)` of `tolower`, found `,`"),
        ("concat(\"x\", a.b) = a", "8: expected a field in `concat(…)`, found `\"`"),
        ("\"x\" = a.b", "1: expected a comparison, a macro or a `(`, found `\"`"),
        ("a.b = é and ü", "13: expected a comparison, a macro or a `(`, found `ü`"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert!(read("name = x").unwrap_err().help.contains("has a dot"));
    assert_eq!(read("a.b contain x").unwrap_err().help, "did you mean `contains`?");
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let nested = |depth: usize| format!("{}a.b = c{}", "not (".repeat(depth), ")".repeat(depth));
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        assert!(read(&nested(DEEPEST)).is_ok());
        let refusal = read(&nested(DEEPEST + 1)).unwrap_err();
        assert_eq!(refusal.origin.place.column, DEEPEST * 5 + 1);
        assert!(read(&nested(1_000_000)).is_err());
        assert!(read(&"tolower(".repeat(1_000_000)).is_err());
        assert!(read(&"not ".repeat(1_000_000)).is_err());
    });
    small.unwrap().join().unwrap();
}
