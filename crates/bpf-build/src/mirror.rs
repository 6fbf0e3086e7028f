//! The Rust form of the records, read from the BTF of the compiled object.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use libbpf_rs::btf::types::{Array, Enum, Int, IntEncoding, MemberAttr, Struct, Typedef};
use libbpf_rs::btf::{Btf, ReferencesType, TypeId};

/// Writes the mirror of every `struct …_record` and `enum …_kind`, `…_marks`, `…_fate` in `object`.
///
/// `wire` itself is mirrored by its own build, so that all signals share one `RecordHeader`.
pub(crate) fn write(object: &Path, output: &Path) -> Result<()> {
    let btf = Btf::from_path(object).context("the object has no BTF")?;
    let mut text = String::from("// Made by bpf-build from the object's BTF.\n");
    let in_wire = in_wire();
    for kind in btf.type_by_kind::<Struct<'_>>() {
        let name = name_of(kind.name());
        if name.ends_with("_record") || (in_wire && name == "record_header") {
            record(&btf, &name, &kind, &mut text)?;
        }
    }
    for kind in btf.type_by_kind::<Enum<'_>>() {
        let name = name_of(kind.name());
        let shared = ["record_fate", "record_call", "path_marks"].contains(&name.as_str());
        let own = name.ends_with("_kind") || name.ends_with("_marks") || name.ends_with("_source");
        if (shared && in_wire) || (own && !shared) {
            for value in kind.iter() {
                let name = name_of(value.name);
                writeln!(text, "/// See the signal's `wire.h`.")?;
                writeln!(text, "{}const {name}: u32 = {};", visibility(), value.value)?;
            }
        }
    }
    if !in_wire {
        // Two builds that give the same number read each other's records. FNV-1a over the text:
        // every name, type and order counts.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        writeln!(text, "/// A hash of all of the above.")?;
        writeln!(text, "pub(crate) const LAYOUT: u64 = {hash:#x};")?;
    }
    std::fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}

/// One struct. zerocopy's derives refuse what could not be read safely from bytes.
fn record(btf: &Btf<'_>, name: &str, kind: &Struct<'_>, text: &mut String) -> Result<()> {
    writeln!(text, "/// `struct {name}`, as the kernel writes it.")?;
    writeln!(text, "#[allow(missing_docs)]")?;
    writeln!(text, "#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::IntoBytes,")?;
    writeln!(text, "    ::zerocopy::KnownLayout, ::zerocopy::Immutable)]")?;
    writeln!(text, "#[repr(C)]\n{}struct {} {{", visibility(), camel_case(name))?;
    for member in kind.iter() {
        let field = name_of(member.name);
        ensure!(
            matches!(member.attr, MemberAttr::Normal { .. }),
            "{name}.{field} is a bit field; records have whole numbers only"
        );
        let ty = rust_type(btf, member.ty).with_context(|| format!("in {name}.{field}"))?;
        writeln!(text, "    {}{field}: {ty},", visibility())?;
    }
    writeln!(text, "}}")?;
    Ok(())
}

fn rust_type(btf: &Btf<'_>, id: TypeId) -> Result<String> {
    if let Some(alias) = btf.type_by_id::<Typedef<'_>>(id) {
        return rust_type(btf, alias.referenced_type().type_id());
    }
    if let Some(array) = btf.type_by_id::<Array<'_>>(id) {
        return Ok(format!("[{}; {}]", rust_type(btf, array.ty())?, array.capacity()));
    }
    if let Some(int) = btf.type_by_id::<Int<'_>>(id) {
        let signed = matches!(int.encoding, IntEncoding::Signed);
        // A C `char` is text here, whatever its sign.
        let letter = if signed && int.bits > 8 { 'i' } else { 'u' };
        return Ok(format!("{letter}{}", int.bits));
    }
    if let Some(inner) = btf.type_by_id::<Struct<'_>>(id) {
        let name = name_of(inner.name());
        let path = if name == "record_header" && !in_wire() { "::wire::" } else { "" };
        return Ok(format!("{path}{}", camel_case(&name)));
    }
    bail!("records hold fixed-width numbers, arrays of them, and other records")
}

/// The shared records are for everyone, a signal's own for itself.
fn visibility() -> &'static str {
    if in_wire() { "pub " } else { "pub(crate) " }
}

fn in_wire() -> bool {
    std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "wire")
}

fn name_of(name: Option<&std::ffi::OsStr>) -> String {
    name.unwrap_or_default().to_string_lossy().into_owned()
}

fn camel_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.collect()
}
