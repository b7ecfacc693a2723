//! Rules of the chat: one order per room, and nothing lost or doubled between enter and leave.

use std::collections::HashMap;

use super::numbered::Numbered;
use super::{Names, Place, Report, Rule, Seen, Violation};
use crate::trace::facts::{self, JOINED, LEFT, MISSED, NAME, OWN, ROOM, SEQ, SINCE};
use crate::trace::{Fact, Kind, Value};

#[derive(Debug, Default)]
pub(super) struct Chat {
    names: Names,
    rooms: Names,
    /// By room: what stands under each of its numbers, as whoever spoke of it first says.
    logs: Vec<Numbered<Entry>>,
    /// By room: the hub's last number, where it stands, and how complete the hub's trace was then.
    hubs: HashMap<u32, (u64, Place, u32)>,
    members: HashMap<(u32, u32), Member>,
}

/// What stands under a number of a room.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The Lamport time of the broadcast, which names its message; a member's own reply is another message.
    broadcast: Option<u64>,
    name: Option<u32>,
    place: Place,
}

/// What a process holds of a room.
#[derive(Debug, Clone, Copy)]
struct Member {
    inside: bool,
    /// It holds, or was told it missed, every number up to here since it entered.
    cursor: u64,
    /// Its own `entered`, known from the reply while the numbers before it are still being replayed.
    own: Option<u64>,
    place: Place,
    epoch: u32,
}

/// A group of facts, read.
struct Told<'f> {
    room: &'f str,
    seq: Option<u64>,
    name: Option<&'f str>,
    own: bool,
    joined: bool,
    since: Option<u64>,
    left: bool,
    missed: Option<u64>,
}

impl Chat {
    pub(super) fn event(&mut self, seen: &Seen<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        for group in facts::groups(&seen.event.facts) {
            let told = Told::read(group).ok_or_else(|| seen.lacks(ROOM))?;
            let room = self.rooms.number(told.room);
            if self.logs.len() <= room as usize {
                self.logs.resize_with(room as usize + 1, Numbered::default);
            }
            report.test(Rule::FactsAreWhole);
            if let Some(missed) = told.missed {
                self.missed(seen, room, missed);
                continue;
            }
            let seq = told.seq.ok_or_else(|| seen.lacks(SEQ))?;
            match seen.event.kind {
                Kind::Send => {
                    report.test(Rule::RoomNumbered);
                    self.numbered(seen, room, &told, seq)?;
                }
                Kind::Receive => {
                    for rule in [Rule::RoomMembers, Rule::RoomNoGap, Rule::RoomNoDouble] {
                        report.test(rule);
                    }
                    self.received(seen, room, &told, seq)?;
                }
                Kind::Local => continue,
            }
            report.test(Rule::RoomAgreed);
            self.agreed(seen, room, &told, seq)?;
        }
        Ok(())
    }

    /// The hub numbers one by one.
    fn numbered(
        &mut self,
        seen: &Seen<'_>,
        room: u32,
        told: &Told<'_>,
        seq: u64,
    ) -> Result<(), Box<Violation>> {
        if let Some(&(last, place, epoch)) = self.hubs.get(&room)
            && seq != last + 1
            && (epoch == seen.epoch || seq <= last)
        {
            return Err(Violation::new(
                Rule::RoomNumbered,
                format!("in {:?} number {seq} follows {last}", told.room),
                [(place, format!("number {last}")), (seen.place, seen.describe())],
            ));
        }
        self.hubs.insert(room, (seq, seen.place, seen.epoch));
        Ok(())
    }

    /// One number is one event.
    fn agreed(
        &mut self,
        seen: &Seen<'_>,
        room: u32,
        told: &Told<'_>,
        seq: u64,
    ) -> Result<(), Box<Violation>> {
        let broadcast = if told.own { None } else { broadcast_time(seen) };
        let name = told.name.map(|name| self.names.number(name));
        let entry = Entry {
            broadcast,
            name,
            place: seen.place,
        };
        let log = &mut self.logs[room as usize];
        let Some(known) = log.get_mut(seq) else {
            let _ = log.insert(seq, entry);
            return Ok(());
        };
        let differ = |one: Option<u64>, other: Option<u64>| one.is_some() && other.is_some() && one != other;
        if differ(known.broadcast, broadcast) || differ(known.name.map(u64::from), name.map(u64::from)) {
            return Err(Violation::new(
                Rule::RoomAgreed,
                format!("number {seq} of {:?} is two different events", told.room),
                [
                    (known.place, format!("number {seq}")),
                    (seen.place, seen.describe()),
                ],
            ));
        }
        known.broadcast = known.broadcast.or(broadcast);
        known.name = known.name.or(name);
        Ok(())
    }

    fn received(
        &mut self,
        seen: &Seen<'_>,
        room: u32,
        told: &Told<'_>,
        seq: u64,
    ) -> Result<(), Box<Violation>> {
        let key = (seen.process, room);
        let known = self.members.get(&key).copied();
        let inside = known.filter(|member| member.inside);
        let member = match (told.joined, inside) {
            (true, before) => Self::enter(seen, told, seq, before)?,
            (false, Some(member)) => self.next(seen, told, seq, member)?,
            (false, None) if known.is_none_or(|member| member.epoch != seen.epoch) && seen.epoch > 0 => {
                // The event that entered may be among those dropped.
                Member {
                    inside: !told.left,
                    cursor: seq,
                    own: None,
                    place: seen.place,
                    epoch: seen.epoch,
                }
            }
            (false, None) => {
                let says = format!(
                    "{} receives number {seq} of {:?} outside the room",
                    seen.event.process, told.room
                );
                let here = (seen.place, seen.describe());
                return Err(match known {
                    Some(left) => Violation::new(
                        Rule::RoomMembers,
                        says,
                        [(left.place, format!("it left at number {}", left.cursor)), here],
                    ),
                    None => Violation::new(Rule::RoomMembers, says, [here]),
                });
            }
        };
        self.members.insert(key, member);
        Ok(())
    }

    /// A membership begins: with the member's own `entered`, or with what it missed since it was here.
    fn enter(
        seen: &Seen<'_>,
        told: &Told<'_>,
        seq: u64,
        before: Option<Member>,
    ) -> Result<Member, Box<Violation>> {
        let member = Member {
            inside: true,
            cursor: seq,
            own: None,
            place: seen.place,
            epoch: seen.epoch,
        };
        let Some(since) = told.since else {
            return Ok(member);
        };
        let cursor = match before.map(Member::with_own) {
            // What it held when the connection was lost must not come again.
            Some(before) if since < before.cursor => before.cursor,
            Some(before) if since > before.cursor && before.epoch == seen.epoch => {
                return Err(Violation::new(
                    Rule::RoomNoGap,
                    format!(
                        "{} resumes {:?} after {since} and holds {}",
                        seen.event.process, told.room, before.cursor
                    ),
                    [
                        (before.place, format!("number {}", before.cursor)),
                        (seen.place, seen.describe()),
                    ],
                ));
            }
            _ => since,
        };
        let cursor = if cursor + 1 == seq { seq } else { cursor };
        Ok(Member {
            cursor,
            own: (cursor < seq).then_some(seq),
            ..member
        })
    }

    /// A member's numbers go up by one.
    fn next(
        &self,
        seen: &Seen<'_>,
        told: &Told<'_>,
        seq: u64,
        before: Member,
    ) -> Result<Member, Box<Violation>> {
        let mut cursor = before.cursor;
        // The replay may hold the member's own `entered` or leave it out.
        if before.own == Some(cursor + 1) && seq == cursor + 2 {
            cursor += 1;
        }
        let rule = if seq == cursor + 1 || (seq > cursor && before.epoch != seen.epoch) {
            let own = before.own.filter(|own| *own > seq);
            return Ok(Member {
                inside: !told.left,
                cursor: seq,
                own,
                place: seen.place,
                epoch: seen.epoch,
            });
        } else if seq <= cursor {
            Rule::RoomNoDouble
        } else {
            Rule::RoomNoGap
        };
        let here = (seen.place, seen.describe());
        let last = (before.place, format!("it holds up to {cursor}"));
        let says = format!(
            "{} receives number {seq} of {:?} after {cursor}",
            seen.event.process, told.room
        );
        // Where the missing event stands makes the third witness.
        let missing = self.logs[told_room(self, told)]
            .get(cursor + 1)
            .filter(|_| rule == Rule::RoomNoGap);
        Err(match missing {
            Some(entry) => Violation::new(
                rule,
                says,
                [
                    last,
                    (entry.place, format!("number {} as others saw it", cursor + 1)),
                    here,
                ],
            ),
            None => Violation::new(rule, says, [last, here]),
        })
    }

    /// The member was told that it missed so many.
    fn missed(&mut self, seen: &Seen<'_>, room: u32, missed: u64) {
        if let Some(member) = self.members.get_mut(&(seen.process, room)) {
            member.cursor = member.cursor.saturating_add(missed);
            member.own = member.own.filter(|own| *own > member.cursor);
            member.place = seen.place;
        }
    }
}

impl Member {
    /// With its own `entered`, once everything before that has been replayed.
    fn with_own(self) -> Self {
        match self.own.filter(|own| *own == self.cursor + 1) {
            Some(own) => Self {
                cursor: own,
                own: None,
                ..self
            },
            None => self,
        }
    }
}

fn told_room(chat: &Chat, told: &Told<'_>) -> usize {
    chat.rooms.find(told.room).expect("numbered when the event came") as usize
}

/// The time in `chat@41`.
fn broadcast_time(seen: &Seen<'_>) -> Option<u64> {
    seen.event.message.as_ref()?.rsplit_once('@')?.1.parse().ok()
}

impl<'f> Told<'f> {
    fn read(group: &'f [Fact<'_>]) -> Option<Self> {
        let [(opening, room), rest @ ..] = group else {
            return None;
        };
        let room = room.text().filter(|_| opening == ROOM)?;
        let mut told = Self {
            room,
            seq: None,
            name: None,
            own: false,
            joined: false,
            since: None,
            left: false,
            missed: None,
        };
        for (key, value) in rest {
            match (&**key, value) {
                (SEQ, Value::Integer(seq)) => told.seq = u64::try_from(*seq).ok(),
                (NAME, Value::Text(name)) => told.name = Some(name),
                (OWN, _) => told.own = true,
                (JOINED, _) => told.joined = true,
                (SINCE, Value::Integer(since)) => told.since = u64::try_from(*since).ok(),
                (LEFT, _) => told.left = true,
                (MISSED, Value::Integer(missed)) => told.missed = u64::try_from(*missed).ok(),
                _ => {}
            }
        }
        told.own |= told.joined || told.left;
        Some(told)
    }
}
