//! Conditions as text, with every parenthesis.

use detect::language::{Argument, Condition, Field, Loaded, Operand, Transformer};

/// What the rule `name` asks.
pub(crate) fn asks(loaded: &Loaded, name: &str) -> String {
    let rule = loaded.ruleset.rules.iter().find(|rule| rule.name == name);
    shown(&rule.unwrap_or_else(|| panic!("no rule {name}: {:#?}", loaded.diagnostics)).condition)
}

pub(crate) fn shown(condition: &Condition) -> String {
    let all = |parts: &[Condition], between: &str| {
        format!("({})", parts.iter().map(shown).collect::<Vec<_>>().join(between))
    };
    match condition {
        Condition::And(parts) => all(parts, " and "),
        Condition::Or(parts) => all(parts, " or "),
        Condition::Not(part) => format!("not {}", shown(part)),
        Condition::Check(check) => {
            let modifier =
                check.modifier.map_or(String::new(), |it| format!(" {it:?}").to_lowercase());
            let with = match &check.with {
                Operand::Nothing => String::new(),
                Operand::Value(value) => format!(" {value}"),
                Operand::List(values) => format!(" ({})", values.join(", ")),
                Operand::Field(field) => format!(" val({})", shown_field(field)),
            };
            format!("{} {}{modifier}{with}", shown_field(&check.field), check.operator.name())
        }
    }
}

fn shown_field(field: &Field) -> String {
    let argument = match &field.argument {
        None => String::new(),
        Some(Argument::Index(index)) => format!("[{index}]"),
        Some(Argument::Key(key)) => format!("[{key}]"),
    };
    field.transformers.iter().fold(format!("{}{argument}", field.name), |text, transformer| {
        match transformer {
            Transformer::ToLower => format!("tolower({text})"),
            Transformer::Base64 => format!("b64({text})"),
            other => format!("{other:?}({text})"),
        }
    })
}
