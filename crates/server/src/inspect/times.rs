//! Times as people read them, and rows of a drawing that suit a call's length.

/// Rows that a drawing should not have more of.
const MOST_ROWS: u64 = 20;
/// Lengths of a row, in seconds.
const ROWS: [u64; 12] = [5, 10, 15, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];
/// Distances of labels, in seconds.
const LABELS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];

/// `0:05`, from an hour on `1:00:05`.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `0:05.120`.
pub(super) fn clock_ms(ms: u64) -> String {
    format!("{}.{:03}", clock(ms), ms % 1_000)
}

/// `0.120 s`, from a minute on `1:02.500`.
pub(super) fn length(ms: u64) -> String {
    if ms < 60_000 { format!("{}.{:03} s", ms / 1_000, ms % 1_000) } else { clock_ms(ms) }
}

/// How long a row is: the whole of a call of half a minute, rows of 30 s or more of a longer one.
pub(super) fn row_ms(duration_ms: u64, wanted_ms: Option<u64>) -> u64 {
    if let Some(wanted_ms) = wanted_ms {
        // A drawing of a day in rows of a second is an accident.
        return wanted_ms.max(duration_ms.div_ceil(5_000));
    }
    let fits = |seconds: &u64| {
        let rows = duration_ms.div_ceil(seconds * 1_000);
        rows <= 1 || (*seconds >= 30 && rows <= MOST_ROWS)
    };
    let longest = duration_ms.div_ceil(MOST_ROWS);
    ROWS.iter().copied().find(fits).map_or(longest, |seconds| seconds * 1_000)
}

/// How far apart the labels of a ruler are, if each needs so much room.
pub(super) fn label_every_ms(room_ms: u64) -> u64 {
    let every = LABELS.iter().map(|seconds| seconds * 1_000).find(|every_ms| *every_ms >= room_ms);
    every.unwrap_or_else(|| room_ms.div_ceil(3_600_000) * 3_600_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        assert_eq!((clock(5_999), clock(3_605_000)), ("0:05".to_owned(), "1:00:05".to_owned()));
        assert_eq!(
            (clock_ms(65_020), length(20), length(62_500)),
            ("1:05.020".into(), "0.020 s".into(), "1:02.500".into())
        );
    }

    #[test]
    fn rows_suit_the_length_of_the_call() {
        for (seconds, row) in
            [(0, 5), (4, 5), (17, 20), (30, 30), (45, 30), (61, 30), (600, 30), (601, 60), (3_600, 300)]
        {
            assert_eq!(row_ms(seconds * 1_000, None), row * 1_000, "{seconds}");
        }
        assert_eq!(row_ms(48 * 3_600_000, None), 48 * 3_600_000 / 20);
        assert_eq!(row_ms(60_000, Some(10_000)), 10_000);
        assert_eq!(row_ms(86_400_000, Some(1_000)), 17_280);
    }

    #[test]
    fn labels_are_at_round_times() {
        assert_eq!((label_every_ms(900), label_every_ms(3_100)), (1_000, 5_000));
        assert_eq!(label_every_ms(4_000_000), 7_200_000);
    }
}
