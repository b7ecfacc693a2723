// Amounts, as people write and read them. They are texts, never floats.

const BETWEEN_GROUPS = "\u202f"; // A narrow space that does not break: a comma or a point means the cents somewhere.

/** `100`, `15.5`, `15,50` and `1 000` as the wire has it: `100.00`, `15.50`, `1000.00`. Nothing where it is no amount. */
export function asAmount(text) {
  const digits = text.trim().replace(/(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))/g, "");
  const parts = /^0*([0-9]+)(?:[.,]([0-9]{1,2}))?$/.exec(digits);
  return parts && `${parts[1]}.${(parts[2] ?? "").padEnd(2, "0")}`;
}

/** `1234567.89` in groups of three digits. */
export function grouped(amount) {
  return amount.replace(/\B(?=(\d{3})+(?!\d))/g, BETWEEN_GROUPS);
}
