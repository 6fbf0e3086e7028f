//! What is on disk: the segments of every table and hour, and what is left of unfinished work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::segment::{Name, Segment};

/// What a listing found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Segments, with their table.
    pub(crate) segments: Vec<(String, Segment)>,
    /// Files that were being written.
    pub(crate) parts: Vec<PathBuf>,
    /// Files in a table's folder that are neither.
    pub(crate) foreign: Vec<PathBuf>,
}

/// The end of a file's name while it is written.
pub(crate) const PART: &str = "part";

/// Lists `folder`: `TABLE/HOUR/SEGMENT`. In order of the segments' numbers.
pub(crate) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for table in folders(folder)? {
        let Some(name) = table.file_name().and_then(|it| it.to_str()) else { continue };
        for hour in folders(&table)? {
            for entry in fs::read_dir(&hour)? {
                listing.add(name, entry?.path())?;
            }
        }
    }
    listing.segments.sort_by_key(|(_, segment)| (segment.sequence, segment.from));
    Ok(listing)
}

/// The table's name in a segment's path relative to the store's folder.
pub(crate) fn table_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

impl Listing {
    fn add(&mut self, table: &str, path: PathBuf) -> io::Result<()> {
        if path.extension().is_some_and(|it| it == PART) {
            self.parts.push(path);
            return Ok(());
        }
        let bytes = match fs::metadata(&path) {
            // It was dropped meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?.len(),
        };
        match Segment::at(&path, bytes) {
            Some(segment) => self.segments.push((table.to_string(), segment)),
            None => self.foreign.push(path),
        }
        Ok(())
    }
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The path of a segment relative to the store's folder.
pub(crate) fn path_of(table: &str, name: &Name) -> String {
    format!("{table}/{}/{name}", name.hour())
}
