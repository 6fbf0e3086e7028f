//! Rules cut down to what is open once the event is known.

use crate::columns::{Columns, Role};
use crate::compare::Comparison;
use crate::fields::{FIELDS, Id, argument_names};
use crate::program::{Atom, Node};

/// What is left of a condition at one event: what the event decides alone is decided.
pub(crate) fn narrow(node: &Node, columns: &Columns, event: &'static str, atoms: &[Atom]) -> Node {
    match node {
        Node::Always(_) => node.clone(),
        Node::Not(inner) => match narrow(inner, columns, event, atoms) {
            Node::Always(value) => Node::Always(!value),
            inner => Node::Not(Box::new(inner)),
        },
        Node::All(parts) => join(parts, columns, event, atoms, false),
        Node::Any(parts) => join(parts, columns, event, atoms, true),
        Node::Atom(at) => {
            let atom = &atoms[*at as usize];
            match known(atom, columns, event) {
                Some(value) => Node::Always(value),
                None => node.clone(),
            }
        }
    }
}

/// `decides` is the value of a part that decides the whole.
fn join(
    parts: &[Node],
    columns: &Columns,
    event: &'static str,
    atoms: &[Atom],
    decides: bool,
) -> Node {
    let mut open = Vec::new();
    for part in parts {
        match narrow(part, columns, event, atoms) {
            Node::Always(value) if value == decides => return Node::Always(decides),
            Node::Always(_) => {}
            part => open.push(part),
        }
    }
    match open.len() {
        0 => Node::Always(!decides),
        1 => open.swap_remove(0),
        _ if decides => Node::Any(open.into()),
        _ => Node::All(open.into()),
    }
}

/// What an atom is at every such event, if it is always the same.
fn known(atom: &Atom, columns: &Columns, event: &'static str) -> Option<bool> {
    if !atom.left.is_plain() {
        return None;
    }
    let id = atom.left.field.id;
    let constant = |text: &'static str| match &atom.comparison {
        Comparison::Exists => Some(true),
        Comparison::OneOf(set) => Some(set.contains(text.as_bytes())),
        Comparison::NoneOf(set) => Some(!set.contains(text.as_bytes())),
        _ => None,
    };
    let table = columns.table.name;
    match id {
        Id::EvtType | Id::SyscallType => constant(event),
        Id::EvtSource => constant("syscall"),
        Id::EvtDir => constant("<"),
        // Events are numbered from 1: `evt.num=0` is how Falco's rules write "never".
        Id::EvtNum => match &atom.comparison {
            Comparison::NumberIn(all, not) if all.iter().all(|&it| it < 1) => Some(*not),
            _ => None,
        },
        Id::EvtIsOpenRead | Id::EvtIsOpenWrite | Id::EvtIsOpenExec | Id::EvtIsOpenCreate
            if table != "file_open" =>
        {
            match atom.comparison {
                Comparison::Bool(with, not) => Some(with == not),
                _ => None,
            }
        }
        Id::EvtArg | Id::EvtRawarg => {
            let key = &atom.left.field.key;
            let is_there = key.is_empty() || argument_names(table).any(|name| name == key);
            if is_there { None } else { Some(false) }
        }
        _ => {
            let name = FIELDS[id as usize].name;
            let nothing_there = name.starts_with("fd.")
                && !table.starts_with("socket_")
                && !columns.has(Role::Fd)
                && table != "memfd_create";
            let nothing = nothing_there || (name.starts_with("fd.") && table == "process_exec");
            // What has no value compares with nothing.
            nothing.then_some(false)
        }
    }
}
