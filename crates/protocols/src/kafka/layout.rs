//! Reads a message by its layout, as far as it is there.

use crate::message::text;
use crate::prefix::Prefix;

/// A part of a message, in the versions that have it.
#[derive(Debug)]
pub(super) struct Field {
    pub since: i16,
    pub until: i16,
    pub what: What,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum What {
    /// So many bytes that are not kept.
    Skip(usize),
    /// Text that is not kept.
    Text,
    /// Bytes with their length, records for the most part.
    Data,
    /// How many brokers have to have a record before it is answered; 0 if it is not answered.
    Acks,
    Group,
    /// Another name that says what the request is about.
    Key,
    Topic,
    TopicId,
    Error,
    /// A list of structures.
    List(&'static [Field]),
    /// A list of single values, which have no tagged fields.
    Items(&'static [Field]),
}

/// What was found in a message.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub acks: Option<i16>,
    pub group: String,
    pub key: String,
    /// At most `MOST_TOPICS`.
    pub topics: Vec<String>,
    /// Ids of topics, with the name that stands before them.
    pub ids: Vec<([u8; 16], String)>,
    /// The first error that is one, else 0; `None` if none was read.
    pub error: Option<i16>,
    /// Whether what comes behind does not matter.
    enough: bool,
}

/// How many topics of a message are kept, and how many elements of a list are looked at.
const MOST_TOPICS: usize = 16;
const MOST_ELEMENTS: u64 = 4096;

/// The longest name of a topic is 249 bytes.
const LONGEST_NAME: usize = 249;

/// Reads what is there of a message. Whether all that is kept of it was there.
pub(super) fn read(
    layout: &'static [Field],
    version: i16,
    flexible: bool,
    prefix: &mut Prefix,
    found: &mut Found,
) -> bool {
    let mut reader = Reader { version, flexible, prefix, found };
    let end = reader.fields(layout, 0, true);
    end.is_some() || found.enough || found.error.is_some()
}

/// Passes over tagged fields.
pub(super) fn tagged_fields(prefix: &mut Prefix) -> Option<()> {
    for _ in 0..number(prefix)?.min(MOST_ELEMENTS) {
        number(prefix)?;
        let length = number(prefix)?;
        prefix.skip(length)?;
    }
    Some(())
}

struct Reader<'r, 'a> {
    version: i16,
    flexible: bool,
    prefix: &'r mut Prefix<'a>,
    found: &'r mut Found,
}

impl<'a> Reader<'_, 'a> {
    /// `None` where the bytes end, or nothing behind is wanted. `last` is the last of its list.
    fn fields(&mut self, fields: &'static [Field], depth: usize, last: bool) -> Option<()> {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.field(&field.what, depth, last)?;
            }
        }
        Some(())
    }

    fn field(&mut self, what: &'static What, depth: usize, last: bool) -> Option<()> {
        match what {
            What::Skip(length) => self.prefix.skip(*length as u64)?,
            What::Text => {
                self.text()?;
            }
            What::Data => {
                let length = self.count(|prefix| prefix.be32().map(|length| length as i32))?;
                self.prefix.skip(length)?;
            }
            What::Acks => self.found.acks = Some(self.prefix.be16()? as i16),
            What::Group => {
                let group = self.name()?;
                if self.found.group.is_empty() {
                    self.found.group = group;
                }
            }
            What::Key => {
                let key = self.name()?;
                if self.found.key.is_empty() {
                    self.found.key = key;
                }
            }
            What::Topic => {
                let name = self.name()?;
                if self.found.topics.len() < MOST_TOPICS && !name.is_empty() {
                    self.found.topics.push(name);
                }
                self.found.enough |= depth == 1 && last && self.found.error.is_none();
            }
            What::TopicId => {
                let id = self.prefix.array()?;
                if id != [0; 16] && self.found.ids.len() < MOST_TOPICS {
                    let name = self.found.topics.last().cloned().unwrap_or_default();
                    self.found.ids.push((id, name));
                }
            }
            What::Error => {
                let code = self.prefix.be16()? as i16;
                if matches!(self.found.error, None | Some(0)) {
                    self.found.error = Some(code);
                }
            }
            What::List(fields) | What::Items(fields) => {
                let count = self.count(|prefix| prefix.be32().map(|count| count as i32))?;
                let structures = self.flexible && matches!(what, What::List(_));
                for at in 0..count {
                    // Elements of no length are many for nothing.
                    if at == MOST_ELEMENTS {
                        return None;
                    }
                    self.fields(fields, depth + 1, at + 1 == count)?;
                    if structures {
                        tagged_fields(self.prefix)?;
                    }
                }
            }
        }
        Some(())
    }

    /// Text; empty where there is none.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.count(|prefix| prefix.be16().map(|length| i32::from(length as i16)))?;
        self.prefix.take(usize::try_from(length).ok()?)
    }

    fn name(&mut self) -> Option<String> {
        self.text().map(|name| text(name, LONGEST_NAME))
    }

    /// A length or a count: one more than it is where versions are flexible, else as `plain` reads
    /// it. What is not there at all has 0.
    fn count(&mut self, plain: fn(&mut Prefix) -> Option<i32>) -> Option<u64> {
        match self.flexible {
            true => number(self.prefix).map(|count| count.saturating_sub(1)),
            false => plain(self.prefix).map(|count| u64::try_from(count).unwrap_or(0)),
        }
    }
}

/// A number of seven bits a byte, the lowest first.
fn number(prefix: &mut Prefix) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = prefix.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::apis::api;
    use super::*;

    fn request(key: i16, version: i16, bytes: &[u8]) -> (Found, bool) {
        let api = api(key).unwrap();
        let mut found = Found::default();
        let flexible = version >= api.flexible;
        let all = read(api.request, version, flexible, &mut Prefix::new(bytes), &mut found);
        (found, all)
    }

    #[test]
    fn topics_of_a_fetch() {
        let old = b"\xff\xff\xff\xff\0\0\x01\xf4\0\0\0\x01\0\0\0\x02\0\x01a\0\0\0\x01\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x02bc\0\0";
        let (found, all) = request(1, 0, old);
        assert_eq!((found.topics, all), (vec!["a".to_owned(), "bc".to_owned()], true));
        let (found, all) = request(1, 0, &old[..18]);
        assert_eq!((found.topics.len(), all), (0, false));
    }

    #[test]
    fn compact_texts_and_tagged_fields() {
        let commit =
            b"\x03g1\0\0\0\x01\x02m\0\x02\x03t1\x02\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\x01\0\0\0";
        let (found, all) = request(8, 8, commit);
        assert_eq!((&*found.group, &*found.topics[0], all), ("g1", "t1", true));
    }

    #[test]
    fn lists_of_nothing_end() {
        let (found, all) = request(15, 4, b"\x7f\xff\xff\xff");
        assert_eq!((found.group.as_str(), all), ("", false));
        let (_, all) = request(20, 6, b"\xff\xff\xff\xff\x0f\0");
        assert!(!all);
    }
}
