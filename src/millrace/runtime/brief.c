// What takes microseconds and would hand the interpreter to another thread on its way, once or several times.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

// The whole of a file: how many bytes it has, or -1 where it is no ordinary file, is not there, has no room here,
// or changes meanwhile. Nothing is opened but an ordinary file: to open a pipe and leave it takes something from it.
int64_t millrace_brief_read(const char *path, uint8_t *room, int64_t size) {
  struct stat told;
  if (stat(path, &told) || !S_ISREG(told.st_mode) || told.st_size >= size) return -1;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  int64_t found = read(file, room, told.st_size + 1);
  close(file);
  return found == told.st_size ? found : -1;
}

// Copies rows, the last of their pixels first.
#define ROWS_OF(COPIED, LAST, MANY)                                                \
  for (int64_t row = 0; row < rows; row++, from += stride, to += pixels * LAST) { \
    const uint8_t *before = from + (pixels - 1) * LAST;                           \
    uint8_t *after = to, *end = to + (pixels - 1) * LAST;                         \
    if (COPIED != LAST && after < end) {                                          \
      memcpy(after, before, LAST);                                                \
      after += LAST, before -= LAST;                                              \
    }                                                                             \
    MANY                                                                          \
    for (; after < end; after += LAST, before -= LAST) memcpy(after, before, COPIED); \
    memcpy(after, before, LAST);                                                  \
  }

// Pixels of 3 bytes go 4 bytes at a time, and 16 bytes with 5 of them where the processor can turn these round:
// the byte too many is overwritten by the pixel that follows, so a row's first and last but for one.
#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
typedef uint8_t Sixteen __attribute__((vector_size(16)));
#define FIVE_AT_ONCE                                                                                       \
  for (; end - after > 15; after += 15, before -= 15) {                                                    \
    Sixteen five;                                                                                          \
    memcpy(&five, before - 12, 16);                                                                        \
    five = __builtin_shufflevector(five, five, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, 15);      \
    memcpy(after, &five, 16);                                                                              \
  }
#endif
#endif
#ifndef FIVE_AT_ONCE
#define FIVE_AT_ONCE
#endif

// `from` holds at least one row of at least one pixel; pixels lie side by side, rows every `stride` bytes.
void millrace_brief_turned(const uint8_t *from, int64_t stride, uint8_t *to, int64_t rows, int64_t pixels,
                           int64_t bytes) {
  switch (bytes) {
    case 1: ROWS_OF(1, 1, ) break;
    case 2: ROWS_OF(2, 2, ) break;
    case 3: ROWS_OF(4, 3, FIVE_AT_ONCE) break;
    case 4: ROWS_OF(4, 4, ) break;
    case 8: ROWS_OF(8, 8, ) break;
    case 12: ROWS_OF(12, 12, ) break;
    case 16: ROWS_OF(16, 16, ) break;
    default: ROWS_OF(bytes, bytes, )
  }
}

// Takes `count` numbers, bytes or floats, through `steps` operations, each with one other number: so many at once
// as stay in the first cache from the first operation to the last.
#define TOGETHER 2048
#define OF_ALL(RESULT)                                     \
  for (int64_t i = 0; i < some; i++) to[i] = (RESULT); \
  break;

void millrace_brief_figured(const void *from, float *restrict to, int64_t bytes, int64_t count, int64_t steps,
                            const char *operations, const float *others) {
  for (int64_t done = 0; done < count; done += TOGETHER, to += TOGETHER) {
    int64_t some = count - done < TOGETHER ? count - done : TOGETHER;
    if (bytes == 1) {
      const uint8_t *given = (const uint8_t *)from + done;
      for (int64_t i = 0; i < some; i++) to[i] = given[i];
    } else {
      memcpy(to, (const float *)from + done, some * sizeof(float));
    }
    for (int64_t step = 0; step < steps; step++) {
      float other = others[step];
      switch (operations[step]) {
        case '+': OF_ALL(to[i] + other)
        case '-': OF_ALL(to[i] - other)
        case '*': OF_ALL(to[i] * other)
        case '/': OF_ALL(to[i] / other)
        case '~': OF_ALL(other - to[i])
        case '|': OF_ALL(other / to[i])
      }
    }
  }
}
