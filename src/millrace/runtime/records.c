// Finds and decodes the features of serialized Examples and SequenceExamples, a batch at a time.
//
// Only the form that every writer leaves is read here: a map's entry is its key and then its value, a feature is
// one list, a list of numbers is packed. Where anything else comes, the functions say so and the caller reads the
// batch in Python, which knows all forms and finds the words for what is wrong.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = 0, BYTES = 1, FLOATS = 2, INTS = 3 };

// A list and where its bytes lie: of a feature its kind, of a feature list BYTES; NONE where there is none.
typedef struct {
  int64_t kind, begin, end;
} Cell;

// The wanted names, by their hashes.
typedef struct {
  const uint8_t *bytes;
  const int64_t *offsets;
  int64_t *slots;  // -1 where there is none
  uint64_t mask;
} Names;

static uint64_t hash_of(const uint8_t *bytes, int64_t size) {
  uint64_t hash = 14695981039346656037u;
  for (int64_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash ^ (hash >> 29);
}

static int is_named(const Names *names, int64_t slot, const uint8_t *key, int64_t size) {
  int64_t begin = names->offsets[slot];
  return names->offsets[slot + 1] - begin == size && !memcmp(names->bytes + begin, key, size);
}

static int learn(Names *names, const uint8_t *bytes, const int64_t *offsets, int64_t count) {
  uint64_t room = 4;
  while (room < 2 * (uint64_t)count) room *= 2;
  *names = (Names){bytes, offsets, malloc(room * sizeof(int64_t)), room - 1};
  if (!names->slots) return 0;
  memset(names->slots, 0xFF, room * sizeof(int64_t));
  for (int64_t slot = 0; slot < count; slot++) {
    uint64_t at = hash_of(bytes + offsets[slot], offsets[slot + 1] - offsets[slot]);
    while (names->slots[at & names->mask] >= 0) at++;
    names->slots[at & names->mask] = slot;
  }
  return 1;
}

static int64_t slot_of(const Names *names, const uint8_t *key, int64_t size) {
  for (uint64_t at = hash_of(key, size);; at++) {
    int64_t slot = names->slots[at & names->mask];
    if (slot < 0 || is_named(names, slot, key, size)) return slot;
  }
}

static int number(const uint8_t *data, int64_t *at, int64_t end, uint64_t *value) {
  uint64_t found = 0;
  for (int shift = 0; shift < 70 && *at < end; shift += 7) {
    uint8_t byte = data[(*at)++];
    found |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = found;
      return 1;
    }
  }
  return 0;
}

// Passes the tag and the size of a field; `stop` is where its bytes end.
static int field(const uint8_t *data, int64_t *at, int64_t end, uint8_t tag, int64_t *stop) {
  uint64_t size;
  if (*at >= end || data[*at] != tag) return 0;
  ++*at;
  if (!number(data, at, end, &size) || size > (uint64_t)(end - *at)) return 0;
  *stop = *at + (int64_t)size;
  return 1;
}

static int feature(const uint8_t *data, int64_t at, int64_t end, Cell *cell) {
  if (at == end) {
    *cell = (Cell){NONE, end, end};
    return 1;
  }
  uint8_t tag = data[at];
  int64_t stop;
  if (tag != 0x0A && tag != 0x12 && tag != 0x1A) return 0;
  if (!field(data, &at, end, tag, &stop) || stop != end) return 0;
  *cell = (Cell){tag >> 3, at, end};
  return 1;
}

// Reads the entries of a map into the cells of one record, which are `rows` apart.
static int entries(const uint8_t *data, int64_t at, int64_t end, const Names *names, int are_lists, Cell *cells,
                   int64_t rows) {
  while (at < end) {
    int64_t stop, key_end, last;
    if (!field(data, &at, end, 0x0A, &stop) || !field(data, &at, stop, 0x0A, &key_end)) return 0;
    int64_t slot = slot_of(names, data + at, key_end - at);
    at = key_end;
    if (!field(data, &at, stop, 0x12, &last) || last != stop) return 0;
    if (slot >= 0) {
      Cell *cell = cells + slot * rows;
      if (are_lists)
        *cell = (Cell){BYTES, at, stop};
      else if (!feature(data, at, stop, cell))
        return 0;
    }
    at = stop;
  }
  return 1;
}

// Finds the features, and the feature lists, of all records: 1 when done, 0 where a record has another form.
//
// offsets: [rows + 1], of the records in `data`. features, lists: how many of the names are of features, which come
// first, and of feature lists. cells: [features + lists, rows], all zero.
int millrace_records_find(const uint8_t *data, const int64_t *offsets, int64_t rows, const uint8_t *bytes,
                          const int64_t *name_offsets, int64_t features, int64_t lists, Cell *cells) {
  Names of_features, of_lists;
  int done = 0;
  if (!learn(&of_features, bytes, name_offsets, features)) return 0;
  if (!learn(&of_lists, bytes, name_offsets + features, lists)) {
    free(of_features.slots);
    return 0;
  }
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = offsets[row], end = offsets[row + 1], stop;
    while (at < end) {
      if (data[at] == 0x0A) {
        if (!field(data, &at, end, 0x0A, &stop)) goto out;
        if (!entries(data, at, stop, &of_features, 0, cells + row, rows)) goto out;
      } else {
        if (!lists || !field(data, &at, end, 0x12, &stop)) goto out;
        if (!entries(data, at, stop, &of_lists, 1, cells + features * rows + row, rows)) goto out;
      }
      at = stop;
    }
  }
  done = 1;
out:
  free(of_features.slots);
  free(of_lists.slots);
  return done;
}

// Counts the steps of feature lists; -1 in `steps` where a record has no such list. Gives their sum, or -1 where a
// list has another form.
int64_t millrace_records_steps(const uint8_t *data, const Cell *cells, int64_t rows, int64_t *steps) {
  int64_t total = 0;
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = cells[row].begin, end = cells[row].end, stop, count = 0;
    for (; at < end; at = stop, count++)
      if (!field(data, &at, end, 0x0A, &stop)) return -1;
    steps[row] = cells[row].kind ? count : -1;
    total += count;
  }
  return total;
}

// The features of the steps that were counted: 1 when done, 0 where one has another form.
int millrace_records_step_cells(const uint8_t *data, const Cell *cells, int64_t rows, Cell *out) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = cells[row].begin, end = cells[row].end, stop;
    for (; at < end; at = stop)
      if (!field(data, &at, end, 0x0A, &stop) || !feature(data, at, stop, out++)) return 0;
  }
  return 1;
}

// Counts the values of a list; -1 where it has another form. `at` is where the values begin.
static int64_t count_of(const uint8_t *data, const Cell *cell, int64_t *at) {
  int64_t end = cell->end, stop, count = 0;
  *at = cell->begin;
  if (*at == end) return 0;
  if (cell->kind == BYTES) {
    for (int64_t next = *at; next < end; next = stop, count++)
      if (!field(data, &next, end, 0x0A, &stop)) return -1;
    return count;
  }
  if (!field(data, at, end, 0x0A, &stop) || stop != end) return -1;
  if (cell->kind == FLOATS) return (end - *at) % 4 ? -1 : (end - *at) / 4;
  for (int64_t i = *at; i < end; i++) count += data[i] < 0x80;
  return end > *at && data[end - 1] >= 0x80 ? -1 : count;
}

// Writes the values of a list: int64 or float32 numbers, or where each string begins and ends. 0 where a number is
// too long.
static int decode(const uint8_t *data, int64_t kind, int64_t at, int64_t end, int64_t count, void *out, int64_t to) {
  int64_t *wide = out;
  uint64_t value;
  if (kind == FLOATS) {
    if (count) memcpy((float *)out + to, data + at, 4 * count);
    return 1;
  }
  for (int64_t i = 0; i < count; i++) {
    if (kind == INTS) {
      if (!number(data, &at, end, &value)) return 0;
      wide[to + i] = (int64_t)value;
    } else {
      int64_t stop;
      if (!field(data, &at, end, 0x0A, &stop)) return 0;
      wide[2 * (to + i)] = at;
      wide[2 * (to + i) + 1] = at = stop;
    }
  }
  return 1;
}

// Counts the values of lists, none where there is no list: their sum, or -1 where one is of another kind or form.
int64_t millrace_records_count(const uint8_t *data, const Cell *cells, int64_t rows, int64_t kind, int64_t *counts) {
  int64_t total = 0, at;
  for (int64_t row = 0; row < rows; row++) {
    int64_t count = 0;
    if (cells[row].kind) {
      if (cells[row].kind != kind || (count = count_of(data, cells + row, &at)) < 0) return -1;
    }
    counts[row] = count;
    total += count;
  }
  return total;
}

// Writes the values of lists that were counted, each list behind the one before: 1 when done, 0 where a number is
// too long.
int millrace_records_values(const uint8_t *data, const Cell *cells, int64_t rows, int64_t kind, void *out) {
  int64_t to = 0, at;
  for (int64_t row = 0; row < rows; row++) {
    if (!cells[row].kind) continue;
    int64_t count = count_of(data, cells + row, &at);
    if (!decode(data, kind, at, cells[row].end, count, out, to)) return 0;
    to += count;
  }
  return 1;
}

// Writes the values of lists that are to have `size` each. Gives how many lists are not there, whose places stay as
// they are, or -1 where one is of another kind, form or size.
int64_t millrace_records_dense(const uint8_t *data, const Cell *cells, int64_t rows, int64_t kind, int64_t size,
                               void *out) {
  int64_t missing = 0, at;
  for (int64_t row = 0; row < rows; row++) {
    if (!cells[row].kind) {
      missing++;
      continue;
    }
    if (cells[row].kind != kind || count_of(data, cells + row, &at) != size) return -1;
    if (!decode(data, kind, at, cells[row].end, size, out, row * size)) return -1;
  }
  return missing;
}

// Writes the steps of feature lists that were counted, of which each is to have `size` values, for each record as many
// steps as `longest`. The places of steps that a record has not stay as they are. Gives 1 when done, 0 where a list is
// not there or a step is of another kind, form or size.
int millrace_records_list_dense(const uint8_t *data, const Cell *cells, int64_t rows, int64_t kind, int64_t size,
                                int64_t longest, void *out) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = cells[row].begin, end = cells[row].end, stop, first, to = row * longest * size;
    if (!cells[row].kind) return 0;
    for (; at < end; at = stop, to += size) {
      Cell step;
      if (!field(data, &at, end, 0x0A, &stop) || !feature(data, at, stop, &step)) return 0;
      if (step.kind == NONE && size == 0) continue;
      if (step.kind != kind || count_of(data, &step, &first) != size) return 0;
      if (!decode(data, kind, first, step.end, size, out, to)) return 0;
    }
  }
  return 1;
}
