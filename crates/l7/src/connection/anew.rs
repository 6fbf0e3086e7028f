//! What ends what was spoken so far: another ruling, something else that is spoken, and bytes whose
//! places begin anew.

use super::{Connection, Context, Reading};
use crate::coverage::Class;
use crate::lane::Lane;
use crate::pairs::Pairs;
use crate::{Chunk, Outcome, Ruling};

impl Connection {
    /// Whether this holds for it already.
    pub(crate) fn is_ruled(&self, ruling: &Ruling) -> bool {
        self.ruling == *ruling
    }

    /// From here on another ruling holds.
    pub(crate) fn rule(&mut self, ruling: &Ruling, context: &mut Context) {
        let before = std::mem::replace(&mut self.ruling, ruling.clone());
        match (ruling, &mut self.reading) {
            (Ruling::Refuse, _) => {
                self.leave(Outcome::Unseen, Reading::Passing(Class::ByPolicy), context);
                self.drop_all(Class::ByPolicy);
            }
            (Ruling::Read(policy), Reading::Spoken(spoken)) => match before {
                Ruling::Read(before) if policy.covers(&before) => spoken.conversation.keep(policy),
                // What was heard of it may be more than may be kept now, so all of it is forgotten.
                Ruling::Read(_) | Ruling::Refuse => {
                    self.drop_all(Class::Skipped);
                    self.leave(Outcome::Unseen, Reading::Looking, context);
                }
            },
            (Ruling::Read(_), Reading::Passing(Class::ByPolicy)) => {
                self.leave(Outcome::Unseen, Reading::Looking, context);
            }
            (Ruling::Read(_), Reading::Looking | Reading::Passing(_)) => {}
        }
    }

    /// Whether the kernel side has forgotten it and met it again: then what it counts by itself, which is
    /// all but TCP's bytes, begins at 0 again.
    pub(super) fn counts_anew(&self, chunk: &Chunk) -> bool {
        let counted = self.about.key.tls || self.about.ends.local.is_none();
        counted && chunk.position == 0 && self.lanes[chunk.direction as usize].end() > 0
    }

    /// What was said between is not known, nor how much it was.
    pub(super) fn begin_anew(&mut self, context: &mut Context) {
        for lane in &mut self.lanes {
            lane.give_up(u64::MAX, &mut self.books);
        }
        self.drop_all(self.class());
        let reading = match self.reading {
            Reading::Passing(class) => Reading::Passing(class),
            Reading::Looking | Reading::Spoken(_) => Reading::Looking,
        };
        self.leave(Outcome::Unseen, reading, context);
        self.lanes = [Lane::default(), Lane::default()];
        self.books.told_again += 1;
    }

    /// What was spoken is not any more: its requests are over, and all begins anew behind a gap.
    pub(super) fn leave(&mut self, outcome: Outcome, reading: Reading, context: &mut Context) {
        self.end_pairs(outcome, context);
        self.report_settled(context);
        self.reading = reading;
        self.pairs = Pairs::after_gap();
        self.looks.since = context.now;
    }

    /// What bytes are counted as that are given up now.
    pub(super) fn class(&self) -> Class {
        match self.reading {
            Reading::Spoken(_) => Class::Skipped,
            Reading::Looking => Class::Unknown,
            Reading::Passing(class) => class,
        }
    }
}
