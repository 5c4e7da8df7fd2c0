//! What the system holds of connections on this machine: written by one side, and not read by the other.

use anyhow::Context as _;
use std::fs;

/// Bytes on their way to the server that listens on this port.
pub(crate) fn on_the_way_to(port: u16) -> anyhow::Result<u64> {
    let table = fs::read_to_string("/proc/net/tcp").context("only Linux tells what is on its way")?;
    Ok(table.lines().skip(1).filter_map(|line| row(line, port)).sum())
}

/// What the server has not read of its end, or its client's end has not given away.
fn row(line: &str, port: u16) -> Option<u64> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, remote, _state, queues) =
        (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let (to_send, to_read) = queues.split_once(':')?;
    let is_there = |address: &str| {
        let (_, at) = address.rsplit_once(':')?;
        (u16::from_str_radix(at, 16).ok()? == port).then_some(())
    };
    let bytes = match (is_there(local), is_there(remote)) {
        (Some(()), _) => to_read,
        (_, Some(())) => to_send,
        _ => return None,
    };
    u64::from_str_radix(bytes, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_connection_count_what_the_server_has_not_read() {
        let server = "1: 0100007F:1F90 0100007F:A2B4 01 00000010:00000020 00:00000000 00000000 0 0 1";
        let client = "2: 0100007F:A2B4 0100007F:1F90 01 00000005:00000007 00:00000000 00000000 0 0 2";
        assert_eq!((row(server, 8_080), row(client, 8_080)), (Some(0x20), Some(5)));
        assert_eq!(row(server, 81), None);
    }
}
