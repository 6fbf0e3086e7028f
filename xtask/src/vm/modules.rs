//! Kernel modules for the guest: found by name, unpacked, ordered so that what is needed loads first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fetch::Kernel;
use crate::failure::{Context, Failure, Result};
use crate::run;

/// A module, unpacked and ready to load.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) file: PathBuf,
}

/// The modules asked for with everything that they depend on, in load order, and the names
/// that this kernel has neither as a module nor built in. `scratch` keeps the unpacked ones.
pub(super) fn load_order(
    kernel: &Kernel,
    asked: &[String],
    scratch: &Path,
) -> Result<(Vec<Module>, Vec<String>)> {
    if asked.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let shipped = shipped(&kernel.modules)?;
    let built_in = built_in(&kernel.modules);
    let mut unpacked = BTreeMap::new();
    let order = order(asked, |name| {
        let Some(packed) = shipped.get(name) else {
            return Ok(if built_in.iter().any(|b| b == name) {
                Found::BuiltIn
            } else {
                Found::Missing
            });
        };
        let file = unpack(packed, name, scratch)?;
        let needs = depends(&fs::read(&file).context(|| file.display().to_string())?);
        unpacked.insert(name.to_string(), file);
        Ok(Found::Module(needs))
    })?;
    let module = |name: String| Module { file: unpacked[&name].clone(), name };
    Ok((order.load.into_iter().map(module).collect(), order.missing))
}

enum Found {
    /// With the names of those that it needs.
    Module(Vec<String>),
    BuiltIn,
    Missing,
}

#[derive(Debug, Default, PartialEq)]
struct Order {
    load: Vec<String>,
    missing: Vec<String>,
}

/// Depth first, so that each comes after all that it needs.
fn order(asked: &[String], mut find: impl FnMut(&str) -> Result<Found>) -> Result<Order> {
    let mut order = Order::default();
    let mut seen = Vec::new();
    for name in asked {
        visit(&canonical(name), &mut seen, &mut order, &mut find)?;
    }
    Ok(order)
}

fn visit(
    name: &str,
    seen: &mut Vec<String>,
    order: &mut Order,
    find: &mut impl FnMut(&str) -> Result<Found>,
) -> Result<()> {
    if seen.iter().any(|known| known == name) {
        return Ok(());
    }
    seen.push(name.into());
    match find(name)? {
        Found::BuiltIn => {}
        Found::Missing => order.missing.push(name.into()),
        Found::Module(needs) => {
            for need in needs {
                visit(&need, seen, order, find)?;
            }
            order.load.push(name.into());
        }
    }
    Ok(())
}

/// Files are named with dashes or underscores as their authors liked; modules know underscores only.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// Every module file under the kernel's folder, by canonical name.
fn shipped(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.join("kernel")];
    while let Some(here) = pending.pop() {
        for entry in fs::read_dir(&here).context(|| here.display().to_string())? {
            let path = entry.context(|| here.display().to_string())?.path();
            if path.is_dir() {
                pending.push(path);
            } else if let Some(name) = module_name(&path) {
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

fn module_name(path: &Path) -> Option<String> {
    let (name, rest) = path.file_name()?.to_str()?.split_once(".ko")?;
    ["", ".xz", ".zst", ".gz"].contains(&rest).then(|| canonical(name))
}

fn built_in(folder: &Path) -> Vec<String> {
    let list = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    list.lines().filter_map(|line| module_name(Path::new(line))).collect()
}

/// What the module says that it needs: `depends=a,b` among the strings of its .modinfo.
/// Debian's packages hold no modules.dep; depmod would make it from these very strings.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(canonical).collect()
}

fn unpack(packed: &Path, name: &str, scratch: &Path) -> Result<PathBuf> {
    let tool = match packed.extension().and_then(|end| end.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(packed.into()),
    };
    let file = scratch.join(format!("{name}.ko"));
    let out = fs::File::create(&file).context(|| file.display().to_string())?;
    let status = run::status(Command::new(tool).arg("-dc").arg(packed).stdout(out))?;
    if status.success() {
        Ok(file)
    } else {
        Err(Failure::new(format!("{tool} could not unpack {}", packed.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_loads_first_and_once() {
        let asked = [
            "wireguard".to_string(),
            "veth".into(),
            "udp-tunnel".into(),
            "nothing".into(),
            "ipv6".into(),
        ];
        let order = order(&asked, |name| {
            let needs: &[&str] = match name {
                "wireguard" => &["udp_tunnel", "curve25519"],
                "curve25519" => &["udp_tunnel"],
                "udp_tunnel" | "veth" => &[],
                "ipv6" => return Ok(Found::BuiltIn),
                _ => return Ok(Found::Missing),
            };
            Ok(Found::Module(needs.iter().map(ToString::to_string).collect()))
        });
        let order = order.unwrap();
        assert_eq!(order.load, ["udp_tunnel", "curve25519", "wireguard", "veth"]);
        assert_eq!(order.missing, ["nothing"]);
    }

    #[test]
    fn two_that_need_each_other_do_not_loop() {
        let other = |name: &str| if name == "a" { "b" } else { "a" }.to_string();
        let order = order(&["a".into()], |name| Ok(Found::Module(vec![other(name)]))).unwrap();
        assert_eq!(order.load, ["b", "a"]);
    }

    #[test]
    fn a_module_says_what_it_needs() {
        assert_eq!(
            depends(b"\0license=GPL\0depends=udp_tunnel,libchacha20poly1305-x\0name=w\0"),
            ["udp_tunnel", "libchacha20poly1305_x"]
        );
        assert!(depends(b"\0depends=\0name=x\0").is_empty());
        assert!(depends(b"no strings").is_empty());
    }

    #[test]
    fn a_module_is_known_by_its_file() {
        assert_eq!(module_name(Path::new("kernel/net/nf-nat.ko.xz")).as_deref(), Some("nf_nat"));
        assert_eq!(
            module_name(Path::new("kernel/fs/overlayfs/overlay.ko")).as_deref(),
            Some("overlay")
        );
        assert_eq!(module_name(Path::new("modules.order")), None);
    }
}
