// JSON with the rule that tsp-typescript-client was written for: an integer that a double cannot
// hold becomes a BigInt, everything with a point or an exponent a number.
'use strict';

const UNSAFE = /^-?\d{16,}$/;

function parse(text) {
  // Strings are stepped over whole, so digits within them stay as they are.
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    UNSAFE.test(token) && !Number.isSafeInteger(Number(token)) ? `{"\u0000bigint":"${token}"}` : token);
  return JSON.parse(marked.replace(/\u0000/g, '\\u0000'), (_key, value) =>
    value !== null && typeof value === 'object' && typeof value['\u0000bigint'] === 'string'
      ? BigInt(value['\u0000bigint']) : value);
}

function stringify(value) {
  const text = JSON.stringify(value, (_key, item) =>
    typeof item === 'bigint' ? `\u0000${item}` : item);
  return text === undefined ? text : text.replace(/"\\u0000(-?\d+)"/g, '$1');
}

module.exports = () => ({ parse, stringify });
module.exports.parse = parse;
module.exports.stringify = stringify;
