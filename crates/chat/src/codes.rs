//! The error codes of the chat service, in order of precedence. The codes that every service uses, among them
//! `missing_field`, `invalid_field`, `unknown_operation` and `rate_limited`, come before these and are in
//! [`proto::codes`].

use proto::Code;

/// The request needs a name: join first.
pub const NOT_JOINED: Code = Code::new("not_joined");
/// This connection has joined already.
pub const ALREADY_JOINED: Code = Code::new("already_joined");
/// The text is no name.
pub const INVALID_NAME: Code = Code::new("invalid_name");
/// The text is no room's name.
pub const INVALID_ROOM: Code = Code::new("invalid_room");
/// The text is empty or too long.
pub const INVALID_TEXT: Code = Code::new("invalid_text");
/// The password is too short or too long.
pub const INVALID_PASSWORD: Code = Code::new("invalid_password");
/// The name is protected by a password, and none was given.
pub const NAME_PROTECTED: Code = Code::new("name_protected");
/// So many passwords are being checked that this one has to come later.
pub const BUSY: Code = Code::new("busy");
/// The password is not the one that protects the name.
pub const WRONG_PASSWORD: Code = Code::new("wrong_password");
/// Somebody with this name, or one that looks like it, is here.
pub const NAME_TAKEN: Code = Code::new("name_taken");
/// There is no such room.
pub const NO_SUCH_ROOM: Code = Code::new("no_such_room");
/// The member is not in that room.
pub const NOT_IN_ROOM: Code = Code::new("not_in_room");
/// The member is in that room already.
pub const ALREADY_IN_ROOM: Code = Code::new("already_in_room");
/// Nobody with this name is here.
pub const NO_SUCH_NAME: Code = Code::new("no_such_name");
/// The server or the member has all the rooms it may have.
pub const TOO_MANY_ROOMS: Code = Code::new("too_many_rooms");
/// The server protects all the names it may protect.
pub const TOO_MANY_REGISTRATIONS: Code = Code::new("too_many_registrations");
/// The stored history cannot be read or written.
pub const HISTORY_UNAVAILABLE: Code = Code::new("history_unavailable");

/// The member to be told is so far behind that nothing more can be queued for it.
pub const RECEIVER_BEHIND: Code = Code::new("receiver_behind");
/// Somebody proved to be the same person and took the name over; coming back would take it back.
pub const TAKEN_OVER: Code = Code::new("taken_over");

/// All of them, in order of precedence.
pub const ALL: [Code; 19] = [
    NOT_JOINED,
    ALREADY_JOINED,
    INVALID_NAME,
    INVALID_ROOM,
    INVALID_TEXT,
    INVALID_PASSWORD,
    NAME_PROTECTED,
    BUSY,
    WRONG_PASSWORD,
    NAME_TAKEN,
    NO_SUCH_ROOM,
    NOT_IN_ROOM,
    ALREADY_IN_ROOM,
    NO_SUCH_NAME,
    TOO_MANY_ROOMS,
    TOO_MANY_REGISTRATIONS,
    HISTORY_UNAVAILABLE,
    RECEIVER_BEHIND,
    TAKEN_OVER,
];
