//! Large read-only tables for programs: arrays that are filled through memory, in a map of maps.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, ensure};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use memmap2::MmapOptions;

use crate::SharedMap;

impl SharedMap<'_> {
    /// Puts an array of `blocks` at `place` of this map of maps. The array is exactly as large as it
    /// has to be, and is filled through memory, not by a call for each block. It lives until it is
    /// replaced or removed and the last program that reads it has ended.
    pub fn put_table<const SIZE: usize>(&self, place: u32, blocks: &[[u8; SIZE]]) -> Result<()> {
        ensure!(SIZE.is_multiple_of(8) && !blocks.is_empty(), "a table of whole words is needed");
        let opts = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            map_flags: libbpf_sys::BPF_F_INNER_MAP | libbpf_sys::BPF_F_MMAPABLE,
            ..Default::default()
        };
        let count = u32::try_from(blocks.len()).context("a table of more than 2^32 blocks")?;
        let size = SIZE as u32;
        let table = MapHandle::create(MapType::Array, Some("table"), 4, size, count, &opts)
            .with_context(|| format!("cannot make a table of {count} blocks"))?;
        // SAFETY: this is a map of our own that nobody else has, so no one else writes to the memory,
        // and a map never shrinks.
        let memory = unsafe {
            MmapOptions::new().len(SIZE * blocks.len()).map_mut(table.as_fd().as_raw_fd())
        };
        let mut memory = memory.context("cannot reach into a table")?;
        memory.copy_from_slice(blocks.as_flattened());
        drop(memory);
        let fd = table.as_fd().as_raw_fd().to_ne_bytes();
        self.map().update(&place.to_ne_bytes(), &fd, MapFlags::ANY).context("cannot enter a table")
    }
}
