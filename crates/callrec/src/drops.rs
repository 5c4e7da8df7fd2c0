//! How much was dropped of a call, by kind.

use callrec_session::DropKind;

const KINDS: [DropKind; 6] = [
    DropKind::Message,
    DropKind::Audio,
    DropKind::UnknownMessage,
    DropKind::Timestamp,
    DropKind::Parameter,
    DropKind::TranscriptLine,
];

/// Counts of what was dropped. Of most calls nothing ever is: then they take no memory of their own.
#[derive(Debug, Default)]
pub(crate) struct Drops(Option<Box<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// What no record tells of yet.
    untold: [u32; KINDS.len()],
    /// What records tell of that are not in the journal yet.
    told: [u32; KINDS.len()],
}

impl Drops {
    /// Something was dropped, and no record tells of it yet.
    pub(crate) fn add(&mut self, what: DropKind) {
        add(&mut self.0.get_or_insert_default().untold, what, 1);
    }

    /// A record tells of what was dropped.
    pub(crate) fn add_told(&mut self, what: DropKind, count: u32) {
        add(&mut self.0.get_or_insert_default().told, what, count);
    }

    /// Whether there is nothing that no record tells of.
    pub(crate) fn all_told(&self) -> bool {
        self.untold().next().is_none()
    }

    /// What no record tells of yet.
    pub(crate) fn untold(&self) -> impl Iterator<Item = (DropKind, u32)> + '_ {
        self.0.iter().flat_map(|counts| with_kinds(&counts.untold))
    }

    /// The same, and what records tell of that are not in the journal yet.
    pub(crate) fn unjournalled(&self) -> impl Iterator<Item = (DropKind, u32)> + '_ {
        self.untold().chain(self.0.iter().flat_map(|counts| with_kinds(&counts.told)))
    }

    /// Takes over what others counted, and leaves them none; all that is told of now.
    pub(crate) fn absorb(&mut self, others: &mut Self) {
        others.unjournalled().for_each(|(what, count)| self.add_told(what, count));
        others.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

fn add(counts: &mut [u32; KINDS.len()], what: DropKind, count: u32) {
    for (_, known) in KINDS.iter().zip(counts).filter(|(kind, _)| **kind == what) {
        *known = known.saturating_add(count);
    }
}

fn with_kinds(counts: &[u32; KINDS.len()]) -> impl Iterator<Item = (DropKind, u32)> + '_ {
    KINDS.into_iter().zip(counts.iter().copied()).filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use callrec_session::Completeness;

    use super::*;

    #[test]
    fn every_kind_of_drop_is_counted_and_handed_on_once() {
        let (mut some, mut all) = (Drops::default(), Drops::default());
        for (kind, count) in KINDS.into_iter().zip(1..) {
            some.add_told(kind, count);
            assert!(some.all_told());
        }
        some.add(DropKind::Audio);
        assert_eq!(some.untold().collect::<Vec<_>>(), [(DropKind::Audio, 1)]);
        all.add_told(DropKind::Message, u32::MAX);
        all.absorb(&mut some);
        all.absorb(&mut some);
        assert!(all.all_told() && some.unjournalled().next().is_none());
        let mut told = Completeness::default();
        all.unjournalled().for_each(|(what, count)| told.count_dropped(what, count));
        let told = told.dropped;
        assert_eq!((told.messages, told.audio, told.unknown_messages), (u64::from(u32::MAX), 3, 3));
        assert_eq!((told.timestamps, told.parameters, told.transcript_lines), (4, 5, 6));
    }
}
