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

// Copies rows, the last of their pixels first. Pixels of 3 bytes go 4 at a time: the byte too many is overwritten
// by the pixel that follows, so a row's last but for one.
#define ROWS_OF(COPIED, LAST)                                                      \
  for (int64_t row = 0; row < rows; row++, from += stride, to += pixels * LAST) { \
    const uint8_t *before = from + (pixels - 1) * LAST;                           \
    uint8_t *after = to, *end = to + (pixels - 1) * LAST;                         \
    if (COPIED != LAST && after < end) {                                          \
      memcpy(after, before, LAST);                                                \
      after += LAST, before -= LAST;                                              \
    }                                                                             \
    for (; after < end; after += LAST, before -= LAST) memcpy(after, before, COPIED); \
    memcpy(after, before, LAST);                                                  \
  }

// `from` holds at least one row of at least one pixel; pixels lie side by side, rows every `stride` bytes.
void millrace_brief_turned(const uint8_t *from, int64_t stride, uint8_t *to, int64_t rows, int64_t pixels,
                           int64_t bytes) {
  switch (bytes) {
    case 1: ROWS_OF(1, 1) break;
    case 2: ROWS_OF(2, 2) break;
    case 3: ROWS_OF(4, 3) break;
    case 4: ROWS_OF(4, 4) break;
    case 8: ROWS_OF(8, 8) break;
    case 12: ROWS_OF(12, 12) break;
    case 16: ROWS_OF(16, 16) break;
    default: ROWS_OF(bytes, bytes)
  }
}
