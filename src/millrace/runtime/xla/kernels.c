/* Matrix products, convolutions, also depthwise, sums of columns, Adam's step and rows added to a table, in float32 for processors, called
   by XLA.

   Every product here is C[m, n] = sum over k of A[m, k] B[k, n]; a convolution's A is the matrix of its
   windows ("im2col"), which is never stored: only the panel in work is. The scheme is that of K. Goto and
   R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): B is packed in blocks that
   stay in the second-level cache, A in panels of ROWS rows that stay in the first, and a kernel keeps a
   ROWS x COLUMNS tile of C in registers. The windows of the same pixel of many images are not packed: they are read
   where they are, without the padding.

   The order in which the products of one element are added depends on the shapes alone, never on the
   number of threads or on which of them comes first. */

#if defined(__clang__)
#error "clang 14 keeps the tile in memory: twice as slow as XLA's own products"
#endif

#define _GNU_SOURCE /* for the affinity of threads */
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 12 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6 };
#else
enum { LANES = 4, ROWS = 6 };
#endif
enum {
  COLUMNS = 2 * LANES,
  LEVEL = ROWS / 3,  /* the rows of the lowest tile, of which the last rows of C make do with as many as they need */
  DEPTH = 512,       /* of a packed block: a panel of A is 24 KiB, one of B 64 KiB */
  WINDOWS = 384,     /* the same for windows: a step of the network `cnn` takes 2 % more with 512 */
  WIDTH = 512,       /* of a packed block of B: 1 MiB */
  STRIDE = DEPTH + LANES, /* of the rows of a panel of A: not a power of two, whose multiples share cache sets */
  MOST_PARTS = 64,
  SPINS = 256, /* pauses, of some 50 ns each, before a thread gives its core up */
  SHORT = 4, /* pixels in a line of a picture: shorter ones are copied */
};

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4)));

/* --- work shared among threads ---------------------------------------------------------------------------- */

typedef struct Work {
  void (*part)(const void *job, int index);
  const void *job;
  int parts, core;
  atomic_int started, next, done, users;
} Work;

static void take_parts(Work *work) {
  int index;
  while ((index = atomic_fetch_add(&work->next, 1)) < work->parts) {
    work->part(work->job, index);
    atomic_fetch_add(&work->done, 1);
  }
}

static void wait_a_while(int turn) {
  if (turn >= SPINS) {
    sched_yield(); /* the thread waited for may need this core */
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void leave(Work *work) {
  if (atomic_fetch_sub(&work->users, 1) == 1) free(work);
}

/* Moves this thread off a core. Linux wakes a thread where its waker runs, and lets both share that core for longer than
   a product takes: the step of a small perceptron took 3.4 ms half of the time, and 2.4 ms otherwise. */
static void move_off(int core) {
#ifdef __linux__
  cpu_set_t all, others;
  if (sched_getcpu() != core || sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) < 2) return;
  others = all;
  CPU_CLR(core, &others);
  if (!sched_setaffinity(0, sizeof others, &others)) sched_setaffinity(0, sizeof all, &all);
#else
  (void)core;
#endif
}

static void help(void *data) {
  Work *work = data;
  atomic_store(&work->started, 1);
  if (atomic_load(&work->next) < work->parts) move_off(work->core);
  take_parts(work);
  leave(data);
}

/* True where a call of XLA failed, whose error is then forgotten: everything here can be done on one thread. */
static int failed(const XLA_FFI_CallFrame *frame, XLA_FFI_Error *error) {
  if (!error) return 0;
  XLA_FFI_Error_Destroy_Args args = {.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, .error = error};
  frame->api->XLA_FFI_Error_Destroy(&args);
  return 1;
}

static int threads(const XLA_FFI_CallFrame *frame) {
  int64_t count = 1;
  XLA_FFI_ThreadPool_NumThreads_Args args = {
      .struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE, .ctx = frame->ctx, .num_threads = &count};
  return failed(frame, frame->api->XLA_FFI_ThreadPool_NumThreads(&args)) || count < 1 ? 1 : (int)count;
}

/* Calls `part` for each of 0 ... parts - 1, on XLA's threads; this thread takes its share, so that nothing
   waits for a thread that never comes. */
static void in_parallel(const XLA_FFI_CallFrame *frame, void (*part)(const void *, int), const void *job, int parts) {
  int helpers = threads(frame) - 1;
  if (helpers > parts - 1) helpers = parts - 1;
  Work *work = helpers > 0 ? malloc(sizeof *work) : NULL;
  if (!work) {
    for (int i = 0; i < parts; i++) part(job, i);
    return;
  }
  work->part = part, work->job = job, work->parts = parts;
#ifdef __linux__
  work->core = sched_getcpu();
#endif
  atomic_init(&work->started, 0), atomic_init(&work->next, 0), atomic_init(&work->done, 0), atomic_init(&work->users, helpers + 1);
  for (int i = 0; i < helpers; i++) {
    XLA_FFI_ThreadPool_Schedule_Args args = {.struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE,
                                             .ctx = frame->ctx, .task = help, .data = work};
    if (failed(frame, frame->api->XLA_FFI_ThreadPool_Schedule(&args))) leave(work);
  }
  for (int turn = 0; turn < SPINS && !atomic_load(&work->started); turn++) wait_a_while(turn);
  if (!atomic_load(&work->started)) sched_yield(); /* a helper that was woken on this core gets to run, and leaves it */
  take_parts(work);
  for (int turn = 0; atomic_load(&work->done) < parts; turn++) wait_a_while(turn);
  leave(work);
}

/* --- where the operands come from ------------------------------------------------------------------------- */

typedef struct Windows { /* of a convolution over two axes, channels last */
  int64_t height, width, channels, kernel_h, kernel_w, out_h, out_w;
  int64_t stride_h, stride_w, top, left, dilation_h, dilation_w;
} Windows;

typedef struct Product Product;
struct Product {
  int64_t m, n, k;
  const float *a, *b;
  int64_t lda, ldb; /* of the stored matrices */
  const float *packed; /* all panels of B, if somebody has packed it whole */
  Windows windows;
  int64_t inner; /* of the filter that B is made of: its output channels */
  /* Packs rows [row, row + rows) and columns [k, k + depth) of A: row r at r * STRIDE, or, where `deep`,
     element k of all ROWS rows at k * ROWS. Rows beyond are zeros. */
  void (*pack_a)(const Product *p, float *panel, int64_t row, int rows, int64_t k, int depth);
  /* Packs columns [column, column + width) of B in panels of COLUMNS: the elements of each k together, zeros beyond. */
  void (*pack_b)(const Product *p, float *packed, int64_t column, int64_t width, int64_t k, int depth);
  int deep;
  /* What is done to C at last: (C - mean) factor, bias added, all three one for each column, addend added, negative numbers
     made zero, only what `mask` is positive for kept; the last ones have C's shape. */
  const float *mean, *factor, *bias, *addend, *mask;
  int floor;
  float *c;
  int64_t ldc;
  int by_pixels; /* a tile has the same pixel of several images, not pixels side by side */
  int turned; /* C^T is what is stored, with the bias, the mask and `ldc` of that. */
  /* How the work is divided. */
  int m_parts, n_parts, k_parts;
  float *sums; /* [k_parts, m, n], where k_parts > 1 */
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static inline int64_t padded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

static void copy(float *to, const float *from, int64_t count) {
  while (count >= LANES) {
    *(loose *)to = *(const loose *)from;
    to += LANES, from += LANES, count -= LANES;
  }
  for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

static void clear(float *to, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = 0;
}

static void a_plain(const Product *p, float *panel, int64_t row, int rows, int64_t k, int depth) {
  for (int r = 0; r < rows; r++) copy(panel + r * STRIDE, p->a + (row + r) * p->lda + k, depth);
  for (int r = rows; r < ROWS; r++) clear(panel + r * STRIDE, depth);
}

static void a_turned(const Product *p, float *panel, int64_t row, int rows, int64_t k, int depth) {
  const float *from = p->a + k * p->lda + row;
  if (rows == ROWS) {
    for (int i = 0; i < depth; i++) memcpy(panel + i * ROWS, from + i * p->lda, ROWS * sizeof(float));
    return;
  }
  for (int i = 0; i < depth; i++)
    for (int r = 0; r < ROWS; r++) panel[i * ROWS + r] = r < rows ? from[i * p->lda + r] : 0;
}

/* Row by row, as they lie in memory: a large matrix comes from there, and a processor fetches ahead what lies side by side. */
static void b_plain(const Product *p, float *packed, int64_t column, int64_t width, int64_t k, int depth) {
  int64_t rest = width % COLUMNS, panel = (int64_t)depth * COLUMNS;
  for (int i = 0; i < depth; i++) {
    const float *from = p->b + (k + i) * p->ldb + column, *last = from + width - rest;
    float *to = packed + i * COLUMNS;
    for (; from < last; from += COLUMNS, to += panel) {
      ((vec *)to)[0] = ((const loose *)from)[0];
      ((vec *)to)[1] = ((const loose *)from)[1];
    }
    if (rest) {
      copy(to, from, rest);
      clear(to + rest, COLUMNS - rest);
    }
  }
}

/* `to`[i][j] = `from`[j][i] for a square of LANES x LANES, by exchanging halves, quarters and so on. */
static inline void turn_square(float *to, int64_t to_stride, const float *from, int64_t from_stride) {
  typedef int ivec __attribute__((vector_size(LANES * 4)));
  vec rows[LANES];
  for (int i = 0; i < LANES; i++) rows[i] = *(const loose *)(from + i * from_stride);
#pragma GCC unroll 4
  for (int half = LANES / 2; half; half /= 2) {
    ivec low, high;
    for (int i = 0; i < LANES; i++) {
      low[i] = i & half ? LANES + i - half : i;
      high[i] = i & half ? LANES + i : i + half;
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
      if (!(i & half)) {
        vec x = rows[i], y = rows[i + half];
        rows[i] = __builtin_shuffle(x, y, low);
        rows[i + half] = __builtin_shuffle(x, y, high);
      }
  }
  for (int i = 0; i < LANES; i++) *(loose *)(to + i * to_stride) = rows[i];
}

/* A part of a packed B, `panel`[i][j] = `from`[j * stride + i]. */
static void turn(float *panel, const float *from, int64_t stride, int columns, int depth) {
  int i = 0;
  if (columns == COLUMNS)
    for (; i + LANES <= depth; i += LANES)
      for (int j = 0; j < COLUMNS; j += LANES) turn_square(panel + i * COLUMNS + j, COLUMNS, from + j * stride + i, stride);
  for (; i < depth; i++)
    for (int j = 0; j < COLUMNS; j++) panel[i * COLUMNS + j] = j < columns ? from[j * stride + i] : 0;
}

static void b_turned(const Product *p, float *packed, int64_t column, int64_t width, int64_t k, int depth) {
  for (int64_t j = 0; j < width; j += COLUMNS)
    turn(packed + j * depth, p->b + (column + j) * p->ldb + k, p->ldb, (int)least(COLUMNS, width - j), depth);
}

/* B[(tap, o), i] = filter[last tap - tap, i, o]: what takes a gradient back through a convolution. */
static void b_reversed(const Product *p, float *packed, int64_t column, int64_t width, int64_t k, int depth) {
  int64_t outputs = p->inner, inputs = p->n, taps = p->k / outputs;
  for (int64_t j = 0; j < width; j += COLUMNS) {
    int columns = (int)least(COLUMNS, width - j), left = depth;
    for (int64_t at = k; left > 0;) {
      int64_t tap = at / outputs, first = at % outputs;
      int some = (int)least(outputs - first, left);
      turn(packed, p->b + ((taps - 1 - tap) * inputs + column + j) * outputs + first, outputs, columns, some);
      packed += some * COLUMNS, at += some, left -= some;
    }
  }
}

/* The place of an output pixel. */
typedef struct Pixel {
  int64_t image, y, x;
} Pixel;

static Pixel pixel_at(const Windows *w, int64_t index) {
  return (Pixel){index / (w->out_h * w->out_w), index / w->out_w % w->out_h, index % w->out_w};
}

static void next_pixel(const Windows *w, Pixel *at) {
  if (++at->x < w->out_w) return;
  at->x = 0;
  if (++at->y < w->out_h) return;
  at->y = 0, at->image++;
}

/* Copies `count` elements of a window of pixel `at`, from element `first` of its row `tap` of windows. A row is what lies
   side by side in memory: kernel_w pixels, or one where they are dilated. */
static inline void copy_row(const Windows *w, const float *x, Pixel at, int64_t tap_y, int64_t tap_x, int64_t first,
                            int64_t count, float *to) {
  int64_t y = at.y * w->stride_h - w->top + tap_y * w->dilation_h;
  if (y < 0 || y >= w->height) {
    clear(to, count);
    return;
  }
  int64_t line = w->width * w->channels;
  int64_t start = (at.x * w->stride_w - w->left + tap_x * w->dilation_w) * w->channels + first;
  const float *from = x + (at.image * w->height + y) * line;
  int64_t before = start < 0 ? (start + count < 0 ? count : -start) : 0;
  int64_t behind = start + count > line ? (start > line ? count : start + count - line) : 0;
  clear(to, before);
  if (count > before + behind) copy(to + before, from + start + before, count - before - behind);
  clear(to + count - behind, behind);
}

static inline int64_t row_length(const Windows *w) {
  return w->dilation_w == 1 ? w->kernel_w * w->channels : w->channels;
}

static inline int64_t rows_across(const Windows *w) { return w->dilation_w == 1 ? 1 : w->kernel_w; }

static void a_windows(const Product *p, float *panel, int64_t row, int rows, int64_t k, int depth) {
  const Windows *w = &p->windows;
  int64_t length = row_length(w), across = rows_across(w);
  Pixel at = pixel_at(w, row);
  for (int r = 0; r < rows; r++, next_pixel(w, &at)) {
    float *to = panel + r * STRIDE;
    int64_t tap = k / length, first = k % length;
    for (int64_t left = depth; left > 0; tap++, first = 0) {
      int64_t some = length - first < left ? length - first : left;
      copy_row(w, p->a, at, tap / across, tap % across, first, some, to);
      to += some, left -= some;
    }
  }
  for (int r = rows; r < ROWS; r++) clear(panel + r * STRIDE, depth);
}

/* `count` elements of the windows of pixels side by side, from `from` in steps of `step`, ROWS apart in the panel. */
static inline __attribute__((always_inline)) void copy_pixels(float *to, const float *from, int64_t step, int64_t pixels,
                                                              int count) {
  for (int64_t i = 0; i < pixels; i++, to += ROWS, from += step)
    for (int r = 0; r < count; r++) to[r] = from[r];
}

/* Elements [first, first + count) of row `tap` of the windows of `pixels` pixels of one line, from pixel `at` on. */
static void turn_line(const Windows *w, const float *x, Pixel at, int64_t pixels, int64_t tap, int64_t first, int count,
                      float *to) {
  int64_t across = rows_across(w), line = w->width * w->channels, step = w->stride_w * w->channels;
  int64_t y = at.y * w->stride_h - w->top + tap / across * w->dilation_h;
  int64_t start = (at.x * w->stride_w - w->left + tap % across * w->dilation_w) * w->channels + first;
  if (y < 0 || y >= w->height) {
    for (int64_t i = 0; i < pixels; i++) clear(to + i * ROWS, count);
    return;
  }
  for (; pixels > 0 && start < 0; pixels--, at.x++, start += step, to += ROWS)
    copy_row(w, x, at, tap / across, tap % across, first, count, to);
  int64_t inside = start + count > line ? 0 : least((line - count - start) / step + 1, pixels);
  const float *from = x + (at.image * w->height + y) * line + start;
  if (count == ROWS)
    copy_pixels(to, from, step, inside, ROWS);
  else
    copy_pixels(to, from, step, inside, count);
  at.x += inside, to += inside * ROWS;
  for (pixels -= inside; pixels > 0; pixels--, at.x++, to += ROWS)
    copy_row(w, x, at, tap / across, tap % across, first, count, to);
}

/* The transpose of the matrix of windows: rows are elements of a window, columns are pixels. */
static void a_windows_turned(const Product *p, float *panel, int64_t row, int rows, int64_t k, int depth) {
  const Windows *w = &p->windows;
  int64_t length = row_length(w);
  for (int r = 0; r < rows;) {
    int64_t tap = (row + r) / length, first = (row + r) % length;
    int count = (int)least(length - first, rows - r);
    Pixel at = pixel_at(w, k);
    for (int64_t i = 0, pixels; i < depth; i += pixels) {
      pixels = least(w->out_w - at.x, depth - i);
      turn_line(w, p->a, at, pixels, tap, first, count, panel + i * ROWS + r);
      at.x = w->out_w - 1;
      next_pixel(w, &at);
    }
    r += count;
  }
  for (int r = rows; r < ROWS; r++)
    for (int i = 0; i < depth; i++) panel[i * ROWS + r] = 0;
}

/* Pixels side by side whose windows are all inside, so that A can be read where it is: element r of pixel i is
   from[i * step + r], for pixels first ... first + count - 1 of the block. */
typedef struct Run {
  const float *from;
  int first, count;
} Run;

/* The runs of a panel of the transposed matrix of windows; a pixel whose window is partly outside is a run of its own,
   copied to `spare`, and one outside is left out. Gives -1 where the panel's elements do not lie side by side. */
static int runs_of(const Product *p, float *spare, int64_t row, int64_t k, int depth, Run *runs) {
  const Windows *w = &p->windows;
  int64_t length = row_length(w), across = rows_across(w), line = w->width * w->channels, step = w->stride_w * w->channels;
  int64_t tap = row / length, first = row % length;
  if (first + ROWS > length || w->out_w < SHORT) return -1;
  Pixel at = pixel_at(w, k);
  int count = 0, index = 0;
  while (index < depth) {
    int end = index + (int)least(w->out_w - at.x, depth - index);
    int64_t y = at.y * w->stride_h - w->top + tap / across * w->dilation_h;
    int64_t start = (at.x * w->stride_w - w->left + tap % across * w->dilation_w) * w->channels + first;
    if (y < 0 || y >= w->height) index = end;
    const float *from = p->a + (at.image * w->height + y) * line;
    while (index < end) {
      int64_t some = 1;
      if (start >= 0 && start + ROWS <= line) {
        some = least((line - ROWS - start) / step + 1, end - index);
        runs[count++] = (Run){from + start, index, (int)some};
      } else if (start > -ROWS && start < line) {
        for (int r = 0; r < ROWS; r++) spare[r] = start + r >= 0 && start + r < line ? from[start + r] : 0;
        runs[count++] = (Run){spare, index, 1};
        spare += ROWS;
      }
      index += (int)some, start += some * step;
    }
    at.x = w->out_w - 1;
    next_pixel(w, &at);
  }
  return count;
}

/* --- the product ------------------------------------------------------------------------------------------ */

/* C's tile, `rows` high and `across` vectors wide, (+)= A times B's panel, where A is made of `runs`. */
static inline __attribute__((always_inline)) void tile(const Run *runs, int count, int64_t row_step, int64_t k_step,
                                                       const float *panel, float *c, int64_t ldc, int rows, int across,
                                                       int add) {
  vec sums[ROWS][2];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = (vec){0};
  for (const Run *run = runs; run < runs + count; run++) {
    const float *a = run->from, *b = panel + run->first * COLUMNS;
    for (int k = run->count; k > 0; k--) {
      vec b0 = ((const vec *)b)[0], b1 = across > 1 ? ((const vec *)b)[1] : (vec){0};
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        float x = a[r * row_step];
        sums[r][0] += x * b0;
        if (across > 1) sums[r][1] += x * b1;
      }
      a += k_step, b += COLUMNS;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int j = 0; j < across; j++) {
      loose *to = (loose *)(c + r * ldc) + j;
      *to = add ? *to + sums[r][j] : sums[r][j];
    }
}

/* The tiles of one way to pack A: whole ones, in a function of their own that keeps them in registers, and lower ones of one or
   two LEVELs. */
#define TILES(name, row_step, k_step, across)                                                                              \
  static __attribute__((noinline)) void name##_whole(const Run *runs, int count, int64_t step, const float *b, float *c,   \
                                                     int64_t ldc, int add) {                                               \
    tile(runs, count, row_step, k_step, b, c, ldc, ROWS, across, add);                                                     \
  }                                                                                                                        \
  static void name(const Run *runs, int count, int64_t step, const float *b, float *c, int64_t ldc, int rows, int add) {   \
    if (rows == ROWS)                                                                                                      \
      name##_whole(runs, count, step, b, c, ldc, add);                                                                     \
    else if (rows == 2 * LEVEL)                                                                                            \
      tile(runs, count, row_step, k_step, b, c, ldc, 2 * LEVEL, across, add);                                              \
    else                                                                                                                   \
      tile(runs, count, row_step, k_step, b, c, ldc, LEVEL, across, add);                                                  \
  }

TILES(tile_rows, STRIDE, 1, 2)
TILES(tile_deep, 1, step, 2)
TILES(tile_apart, step, 1, 2)
TILES(narrow_rows, STRIDE, 1, 1)
TILES(narrow_deep, 1, step, 1)
TILES(narrow_apart, step, 1, 1)

/* What follows for `c`, LANES elements from column `i` on, `at` in an array of C's shape. */
static inline vec finished(const Product *p, vec c, int64_t i, int64_t at) {
  typedef int ivec __attribute__((vector_size(LANES * 4)));
  if (p->mean) c = (c - *(const loose *)(p->mean + i)) * *(const loose *)(p->factor + i);
  if (p->bias) c += *(const loose *)(p->bias + i);
  if (p->addend) c += *(const loose *)(p->addend + at);
  if (p->floor) c = (vec)(~(ivec)(c < (vec){0}) & (ivec)c);
  if (p->mask) c = (vec)((ivec)(*(const loose *)(p->mask + at) > (vec){0}) & (ivec)c);
  return c;
}

/* What follows for `rows` of C from `c` on, `step` apart, which begin at column `column`. */
static void finish(const Product *p, float *c, int64_t step, int64_t rows, int64_t column, int64_t columns) {
  if (!p->mean && !p->bias && !p->addend && !p->floor && !p->mask) return;
  for (; rows > 0; rows--, c += step) {
    int64_t at = c - p->c, i = 0;
    for (; i + LANES <= columns; i += LANES) *(loose *)(c + i) = finished(p, *(loose *)(c + i), column + i, at + i);
    for (; i < columns; i++) {
      if (p->mean) c[i] = (c[i] - p->mean[column + i]) * p->factor[column + i];
      if (p->bias) c[i] += p->bias[column + i];
      if (p->addend) c[i] += p->addend[at + i];
      if (p->floor) c[i] = c[i] < 0 ? 0 : c[i];
      if (p->mask) c[i] = p->mask[at + i] > 0 ? c[i] : 0;
    }
  }
}

/* Stores the transposed tile `edge` of C, of which `rows` and `columns` are there. */
static void store_turned(const float *edge, float *to, int64_t ldc, int rows, int columns, int add) {
  for (int i = 0; i < columns; i++, to += ldc)
    if (rows == ROWS)
      for (int r = 0; r < ROWS; r++) to[r] = edge[r * COLUMNS + i] + (add ? to[r] : 0);
    else
      for (int r = 0; r < rows; r++) to[r] = edge[r * COLUMNS + i] + (add ? to[r] : 0);
}

/* ROWS rows of A or fewer, in elements [k, k + depth), of which only those in `runs` are not zero. */
typedef struct Panel {
  const Run *runs;
  int count, rows;
  int64_t k, step; /* `step`: of A's rows where they are APART, of its elements where they are DEEP */
  int depth;
  enum { LINES, DEEP, APART } form;
} Panel;

/* Rows of C, `ldc` apart from `c` on, (+)= A's panel times columns [n, n + width) of B, whose panels are in `packed`. */
static void multiply_panel(const Product *p, const Panel *a, const float *packed, float *c, int64_t ldc, int64_t n, int64_t width,
                           int add) {
  static void (*const tiles[][2])(const Run *, int, int64_t, const float *, float *, int64_t, int, int) = {
      [LINES] = {tile_rows, narrow_rows}, [DEEP] = {tile_deep, narrow_deep}, [APART] = {tile_apart, narrow_apart}};
  static _Thread_local float edge[ROWS * COLUMNS] __attribute__((aligned(64))); /* a tile of which C has only a part */
  int rows = a->rows, height = (int)padded(rows, LEVEL); /* of the tiles */
  int last = a->k + a->depth == p->k && p->k_parts == 1;
  for (int64_t j = 0; j < width; j += COLUMNS) {
    int columns = (int)least(COLUMNS, width - j), narrow = columns <= LANES;
    int whole = !p->turned && rows == height && (columns == COLUMNS || columns == LANES);
    float *to = c + (n + j) * (p->turned ? ldc : 1);
    const float *panel = p->packed ? p->packed + (n + j) * p->k + a->k * COLUMNS : packed + j * a->depth;
    tiles[a->form][narrow](a->runs, a->count, a->step, panel, whole ? to : edge, whole ? ldc : COLUMNS, height, whole && add);
    if (p->turned) {
      store_turned(edge, to, ldc, rows, columns, add);
      if (last) finish(p, to, ldc, columns, to - p->c - (n + j) * ldc, rows);
      continue;
    }
    if (!whole)
      for (int r = 0; r < rows; r++)
        for (int i = 0; i < columns; i++) to[r * ldc + i] = edge[r * COLUMNS + i] + (add ? to[r * ldc + i] : 0);
    if (last) finish(p, to, ldc, rows, n + j, columns);
  }
}

static _Thread_local float packed_a[ROWS * STRIDE] __attribute__((aligned(64)));
static _Thread_local Run runs[DEPTH];

/* C[m0:m1, n:n + width], in elements [k, k + depth) of the sums. */
static void rows_part(const Product *p, const float *packed, float *c, int64_t m0, int64_t m1, int64_t n, int64_t width, int64_t k,
                      int depth, int add, int sparse) {
  int64_t ldc = p->ldc, step = p->windows.stride_w * p->windows.channels;
  for (int64_t m = m0; m < m1; m += ROWS) {
    Panel a = {runs, -1, (int)least(ROWS, m1 - m), k, step, depth, p->deep ? DEEP : LINES};
    if (sparse && p->pack_a == a_windows_turned && a.rows == ROWS) a.count = runs_of(p, packed_a, m, k, depth, runs);
    if (a.count < 0) {
      p->pack_a(p, packed_a, m, a.rows, k, depth);
      runs[0] = (Run){packed_a, 0, depth};
      a.count = 1, a.step = ROWS;
    }
    multiply_panel(p, &a, packed, c + m * (p->turned ? 1 : ldc), ldc, n, width, add);
  }
}

/* The elements [k, k + depth) of the window of a pixel of the first image that are not in the padding. */
static int runs_inside(const Product *p, Pixel at, int64_t k, int depth, Run *runs) {
  const Windows *w = &p->windows;
  int64_t length = row_length(w), across = rows_across(w), line = w->width * w->channels;
  int count = 0;
  for (int64_t tap = k / length; tap * length < k + depth; tap++) {
    int64_t y = at.y * w->stride_h - w->top + tap / across * w->dilation_h;
    int64_t start = (at.x * w->stride_w - w->left + tap % across * w->dilation_w) * w->channels;
    if (y < 0 || y >= w->height) continue;
    int64_t first = most(most(k - tap * length, 0), -start), last = least(least(k + depth - tap * length, length), line - start);
    const float *from = p->a + y * line + start + first;
    if (first < last) runs[count++] = (Run){from, (int)(tap * length + first - k), (int)(last - first)};
  }
  return count;
}

/* True where the elements of a pixel in several images share a set of the first cache. */
static int clashes(const Windows *w) {
  enum { PAGE = 4096 };
  return w->height * w->width * w->channels * sizeof(float) % PAGE == 0;
}

/* Copies rows that lie apart to `packed_a`, where they are `lines`; unless `sparse`, with zeros where no run is. */
static void pack_runs(Panel *a, Run *lines, int sparse) {
  for (int r = 0; r < a->rows && !sparse; r++) clear(packed_a + r * STRIDE, a->depth);
  for (int i = 0; i < a->count; i++) {
    Run run = a->runs[i];
    float *to = packed_a + run.first;
    for (int r = 0; r < a->rows; r++) copy(to + r * STRIDE, run.from + r * a->step, run.count);
    lines[i] = (Run){to, run.first, run.count};
  }
  if (!sparse) lines[0] = (Run){packed_a, 0, a->depth}, a->count = 1;
  a->runs = lines, a->form = LINES;
}

/* The same pixels of all images: their windows reach into the padding alike, which is left out. */
static void pixels_part(const Product *p, const float *packed, int64_t first, int64_t last, int64_t n, int64_t width, int64_t k,
                        int depth, int add, int sparse) {
  static _Thread_local Run lines[DEPTH];
  const Windows *w = &p->windows;
  int64_t pixels = w->out_h * w->out_w, images = p->m / pixels, step = w->height * w->width * w->channels;
  int64_t tiles = (images + ROWS - 1) / ROWS, high = padded((images + tiles - 1) / tiles, LEVEL);
  int clash = clashes(w);
  for (int64_t pixel = first; pixel < last; pixel++) {
    int count = runs_inside(p, pixel_at(w, pixel), k, depth, runs);
    for (int64_t image = 0; image < images; image += high) {
      Panel a = {runs, count, (int)least(high, images - image), k, step, depth, APART};
      if (clash || a.rows % LEVEL || !sparse) pack_runs(&a, lines, sparse);
      multiply_panel(p, &a, packed, p->c + (image * pixels + pixel) * p->ldc, pixels * p->ldc, n, width, add);
      for (int i = 0; i < count; i++) runs[i].from += high * step;
    }
  }
}

/* True where none of `count` elements, whole vectors of them, is infinite or NaN. */
static int all_finite(const float *x, int64_t count) {
  enum { EXPONENT = 0x7f800000 };
  typedef int ivec __attribute__((vector_size(LANES * 4)));
  ivec other = {0};
  for (int64_t i = 0; i < count; i += LANES) other |= (*(const ivec *)(x + i) & EXPONENT) == EXPONENT;
  int any = 0;
  for (int i = 0; i < LANES; i++) any |= other[i];
  return !any;
}

/* C[m0:m1, n0:n1] from k0 to k1; where `by_pixels`, m0 and m1 are pixels, of all images. */
static void block(const Product *p, float *c, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k0, int64_t k1) {
  static _Thread_local float packed_b[DEPTH * WIDTH] __attribute__((aligned(64)));
  int64_t deepest = p->windows.channels ? WINDOWS : DEPTH;
  int64_t blocks = (k1 - k0 + deepest - 1) / deepest, even = (k1 - k0 + blocks - 1) / blocks;
  for (int64_t n = n0; n < n1; n += WIDTH) {
    int64_t width = least(WIDTH, n1 - n);
    for (int64_t k = k0; k < k1; k += even) {
      int depth = (int)least(even, k1 - k);
      if (!p->packed) p->pack_b(p, packed_b, n, width, k, depth);
      /* Zeros of the padding times numbers may be left out; times infinity they are NaN. */
      int leaves_out = p->by_pixels || p->pack_a == a_windows_turned;
      int sparse = leaves_out && all_finite(packed_b, padded(width, COLUMNS) * depth);
      if (p->by_pixels)
        pixels_part(p, packed_b, m0, m1, n, width, k, depth, k > k0, sparse);
      else
        rows_part(p, packed_b, c, m0, m1, n, width, k, depth, k > k0, sparse);
    }
  }
}

/* The bounds of part `index` of `parts` of `size`, in whole steps. */
static void bounds(int64_t size, int64_t step, int parts, int index, int64_t *first, int64_t *last) {
  int64_t steps = (size + step - 1) / step;
  *first = least(size, steps * index / parts * step);
  *last = least(size, steps * (index + 1) / parts * step);
}

static void product_part(const void *job, int index) {
  const Product *p = job;
  int64_t m0, m1, n0, n1, k0, k1;
  int km = index % p->k_parts;
  index /= p->k_parts;
  if (p->by_pixels)
    bounds(p->windows.out_h * p->windows.out_w, 1, p->m_parts, index % p->m_parts, &m0, &m1);
  else
    bounds(p->m, ROWS, p->m_parts, index % p->m_parts, &m0, &m1);
  bounds(p->n, COLUMNS, p->n_parts, index / p->m_parts, &n0, &n1);
  bounds(p->k, 1, p->k_parts, km, &k0, &k1);
  if (m0 == m1 || n0 == n1) return;
  float *c = p->k_parts > 1 ? p->sums + km * p->m * p->n : p->c;
  block(p, c, m0, m1, n0, n1, k0, k1);
}

/* True where tiles of the same pixel pay: images fill them, there are pixels for every thread, and something is left out or need
   not be copied. Where images clash, all is copied, and what is left out makes up for it in pictures of some 8 x 8. */
static int of_many_images(const Product *p) {
  enum { SMALL = 64 };
  const Windows *w = &p->windows;
  if (p->pack_a != a_windows || p->k_parts > 1 || w->kernel_h * w->kernel_w == 1) return 0;
  int64_t pixels = w->out_h * w->out_w, images = p->m / pixels;
  int filled = images >= 2 * LEVEL && 8 * padded(images, LEVEL) <= 9 * images;
  return filled && pixels >= 2 * p->m_parts && (pixels <= SMALL || !clashes(w));
}

static XLA_FFI_Error *multiply(const XLA_FFI_CallFrame *frame, Product *p) {
  enum { SMALL = 64, LONG = 4096, MANY_ROWS = 1024 };
  int count = threads(frame);
  p->ldc = p->turned ? p->m : p->n;
  int64_t row_tiles = (p->m + ROWS - 1) / ROWS, column_tiles = (p->n + COLUMNS - 1) / COLUMNS;
  p->m_parts = p->n_parts = p->k_parts = 1;
  /* Long sums for few results are taken in parts, however many threads there are: the parts are what is rounded. */
  if (row_tiles * column_tiles < SMALL && p->k > 2 * LONG) p->k_parts = (int)least(p->k / LONG, MOST_PARTS);
  if (p->k_parts > 1) {
    p->sums = malloc((size_t)(p->k_parts * p->m * p->n) * sizeof(float));
    if (!p->sums) p->k_parts = 1;
  }
  if (p->k_parts == 1 && count > 1) {
    /* Each part packs what it needs of the other operand again: the larger operand is the one divided. */
    int by_columns = p->n > p->m ? column_tiles >= count : row_tiles < count;
    if (by_columns)
      p->n_parts = (int)least(column_tiles, count);
    else /* more parts than threads even out what else the threads have to do */
      p->m_parts = (int)least(row_tiles, p->m / MANY_ROWS > count ? least(p->m / MANY_ROWS, 4 * count) : count);
  }
  p->by_pixels = of_many_images(p);
  in_parallel(frame, product_part, p, p->m_parts * p->n_parts * p->k_parts);
  if (p->k_parts > 1) {
    int64_t size = p->m * p->n;
    memcpy(p->c, p->sums, (size_t)size * sizeof(float));
    for (int part = 1; part < p->k_parts; part++)
      for (int64_t i = 0; i < size; i++) p->c[i] += p->sums[part * size + i];
    free(p->sums);
    finish(p, p->c, p->ldc, size / p->ldc, 0, p->ldc);
  }
  return NULL;
}

/* --- what XLA calls --------------------------------------------------------------------------------------- */

/* Answers XLA's question for the version of the interface that this was compiled for. */
static int is_question(XLA_FFI_CallFrame *frame) {
  if (!frame->extension_start || frame->extension_start->type != XLA_FFI_Extension_Metadata) return 0;
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)frame->extension_start)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  return 1;
}

static const XLA_FFI_Buffer *argument(const XLA_FFI_CallFrame *frame, int i) { return frame->args.args[i]; }

static const XLA_FFI_Buffer *result(const XLA_FFI_CallFrame *frame, int i) { return frame->rets.rets[i]; }

/* The attribute of products and convolutions: a list of int64. */
static const int64_t *numbers(const XLA_FFI_CallFrame *frame) {
  return ((const XLA_FFI_Array *)frame->attrs.attrs[0])->data;
}

enum { PLAIN, TURNED, PACKED };

static Product product_of(const XLA_FFI_Buffer *a, int turns, const XLA_FFI_Buffer *b, int b_form, const XLA_FFI_Buffer *c) {
  Product p = {.m = c->dims[0], .n = c->dims[1], .k = a->dims[!turns], .c = c->data};
  p.a = a->data, p.lda = a->dims[1], p.deep = turns;
  p.pack_a = turns ? a_turned : a_plain;
  if (b_form == PACKED) {
    p.packed = b->data;
  } else {
    p.b = b->data, p.ldb = b->dims[1];
    p.pack_b = b_form == TURNED ? b_turned : b_plain;
  }
  return p;
}

/* What follows a product, as the flags in the last of its `count` numbers say, of which all but FLOOR bring arguments along. */
static void follow(Product *p, const XLA_FFI_CallFrame *frame, int count) {
  enum { NORMAL = 1, BIAS = 2, ADDEND = 4, FLOOR = 8, MASK = 16 };
  int64_t flags = numbers(frame)[count - 1];
  int next = 2;
  if (flags & NORMAL) p->mean = argument(frame, next++)->data, p->factor = argument(frame, next++)->data;
  if (flags & BIAS) p->bias = argument(frame, next++)->data;
  if (flags & ADDEND) p->addend = argument(frame, next++)->data;
  if (flags & MASK) p->mask = argument(frame, next++)->data;
  p->floor = (flags & FLOOR) != 0;
}

/* a b, with numbers {a is transposed, b's form, what follows}. */
XLA_FFI_Error *millrace_matmul(XLA_FFI_CallFrame *frame) {
  enum { FEW = 64 };
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *a = argument(frame, 0), *b = argument(frame, 1), *c = result(frame, 0);
  const int64_t *how = numbers(frame);
  int64_t rows = c->dims[0], columns = c->dims[1];
  int a_turns = how[0] != 0;
  Product p;
  if (how[1] == TURNED && rows <= FEW && padded(rows, COLUMNS) == rows) {
    /* As (B^T A^T)^T, whose packing turns the few rows of A instead of the matrix. */
    p = product_of(b, 0, a, a_turns ? PLAIN : TURNED, c);
    p.m = columns, p.n = rows, p.turned = 1;
  } else {
    p = product_of(a, a_turns, b, (int)how[1], c);
  }
  follow(&p, frame, 3);
  return multiply(frame, &p);
}

enum { PACKED_PART = 8 * COLUMNS };

static void pack_part(const void *job, int index) {
  const Product *p = job;
  int64_t column = (int64_t)index * PACKED_PART;
  p->pack_b(p, p->c + column * p->k, column, least(PACKED_PART, p->n - column), 0, (int)p->k);
}

/* The form PACKED of b, with numbers {b is transposed}: [columns / COLUMNS, rows, COLUMNS], zeros beyond. */
XLA_FFI_Error *millrace_pack(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *b = argument(frame, 0);
  int turns = numbers(frame)[0] != 0;
  Product p = {.n = b->dims[!turns], .k = b->dims[turns], .b = b->data, .ldb = b->dims[1], .c = result(frame, 0)->data};
  p.pack_b = turns ? b_turned : b_plain;
  in_parallel(frame, pack_part, &p, (int)((p.n + PACKED_PART - 1) / PACKED_PART));
  return NULL;
}

/* Windows over `x` [images, height, width, channels], from numbers {kernel h, w, out h, w, strides, before, dilations}. */
static Windows windows_of(const XLA_FFI_Buffer *x, const int64_t *n) {
  return (Windows){x->dims[1], x->dims[2], x->dims[3], n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9]};
}

/* The convolution of x with a filter [h, w, in, out]. */
XLA_FFI_Error *millrace_conv(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *filter = argument(frame, 1), *c = result(frame, 0);
  Product p = {.windows = windows_of(x, numbers(frame)), .pack_a = a_windows, .pack_b = b_plain};
  p.m = c->dims[0] * c->dims[1] * c->dims[2], p.n = c->dims[3];
  p.k = filter->dims[0] * filter->dims[1] * filter->dims[2];
  p.a = x->data, p.b = filter->data, p.c = c->data, p.ldb = p.n;
  follow(&p, frame, 11);
  return multiply(frame, &p);
}

/* The convolution of dy with the filter reversed and its channels exchanged. */
XLA_FFI_Error *millrace_conv_input_grad(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *dy = argument(frame, 0), *filter = argument(frame, 1), *c = result(frame, 0);
  Product p = {.windows = windows_of(dy, numbers(frame)), .pack_a = a_windows, .pack_b = b_reversed};
  p.m = c->dims[0] * c->dims[1] * c->dims[2], p.n = c->dims[3];
  p.inner = filter->dims[3];
  p.k = filter->dims[0] * filter->dims[1] * p.inner;
  p.a = dy->data, p.b = filter->data, p.c = c->data;
  return multiply(frame, &p);
}

/* The gradient of a convolution's filter, from x and dy. */
XLA_FFI_Error *millrace_conv_filter_grad(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *dy = argument(frame, 1), *c = result(frame, 0);
  Product p = {.windows = windows_of(x, numbers(frame)), .pack_a = a_windows_turned, .pack_b = b_plain, .deep = 1};
  p.m = c->dims[0] * c->dims[1] * c->dims[2], p.n = c->dims[3];
  p.k = dy->dims[0] * dy->dims[1] * dy->dims[2];
  p.a = x->data, p.b = dy->data, p.c = c->data, p.ldb = p.n;
  return multiply(frame, &p);
}

/* --- sums of columns -------------------------------------------------------------------------------------- */

typedef struct Columns {
  const float *x;
  float *sums; /* of each part */
  int64_t rows, columns;
  int parts;
} Columns;

static void columns_part(const void *job, int index) {
  const Columns *c = job;
  float *sums = c->sums + index * c->columns;
  int64_t first, last;
  bounds(c->rows, 1, c->parts, index, &first, &last);
  clear(sums, c->columns);
  for (; first + 4 <= last; first += 4) {
    const float *x = c->x + first * c->columns, *y = x + c->columns, *z = y + c->columns, *w = z + c->columns;
    for (int64_t i = 0; i < c->columns; i++) sums[i] += (x[i] + y[i]) + (z[i] + w[i]);
  }
  for (; first < last; first++)
    for (int64_t i = 0; i < c->columns; i++) sums[i] += c->x[first * c->columns + i];
}

/* The sum, in their order, of what the parts of a job give, `count` numbers each, which they put behind `*sums`. */
static void add_parts(const XLA_FFI_CallFrame *frame, void (*part)(const void *, int), const void *job, float **sums,
                      int *parts, float *total, int64_t count) {
  float *own = *parts > 1 ? malloc((size_t)(*parts * count) * sizeof(float)) : NULL;
  if (!own) *parts = 1;
  *sums = own ? own : total;
  in_parallel(frame, part, job, *parts);
  if (own) {
    copy(total, own, count);
    for (int k = 1; k < *parts; k++)
      for (int64_t i = 0; i < count; i++) total[i] += own[k * count + i];
  }
  free(own);
}

/* The sums of x over all axes but the last. */
XLA_FFI_Error *millrace_column_sums(XLA_FFI_CallFrame *frame) {
  enum { PART = 1 << 16 };
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *sums = result(frame, 0);
  Columns c = {.x = x->data, .rows = 1, .columns = x->dims[x->rank - 1]};
  for (int64_t i = 0; i + 1 < x->rank; i++) c.rows *= x->dims[i];
  c.parts = (int)least((c.rows * c.columns + PART - 1) / PART, MOST_PARTS); /* whatever the number of threads */
  add_parts(frame, columns_part, &c, &c.sums, &c.parts, sums->data, c.columns);
  return NULL;
}

/* --- depthwise convolutions: every channel has a filter of its own ------------------------------------------ */

typedef struct Depthwise {
  Windows windows; /* over what is x in the convolution, `out_h` times `out_w` of them in an image */
  const float *from, *other;
  float *to;
  int64_t rows; /* of all images */
  int parts;
} Depthwise;

static inline void add_product(float *restrict to, const float *restrict a, const float *restrict b, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += a[i] * b[i];
}

/* Some rows of the convolution. */
static void depthwise_part(const void *job, int index) {
  const Depthwise *d = job;
  const Windows *w = &d->windows;
  int64_t channels = w->channels, first, last;
  bounds(d->rows, 1, d->parts, index, &first, &last);
  for (; first < last; first++) {
    float *to = d->to + first * w->out_w * channels;
    clear(to, w->out_w * channels);
    for (int64_t tap_y = 0; tap_y < w->kernel_h; tap_y++) {
      int64_t y = first % w->out_h * w->stride_h - w->top + tap_y * w->dilation_h;
      if (y < 0 || y >= w->height) continue;
      const float *line = d->from + (first / w->out_h * w->height + y) * w->width * channels;
      for (int64_t tap_x = 0; tap_x < w->kernel_w; tap_x++) {
        const float *filter = d->other + (tap_y * w->kernel_w + tap_x) * channels;
        int64_t x = tap_x * w->dilation_w - w->left;
        for (int64_t o = 0; o < w->out_w; o++, x += w->stride_w)
          if (x >= 0 && x < w->width) add_product(to + o * channels, line + x * channels, filter, channels);
      }
    }
  }
}

/* Some rows of the gradient of the convolution's input, from that of its result. */
static void depthwise_back_part(const void *job, int index) {
  const Depthwise *d = job;
  const Windows *w = &d->windows;
  int64_t channels = w->channels, first, last;
  bounds(d->rows, 1, d->parts, index, &first, &last);
  for (; first < last; first++) {
    float *to = d->to + first * w->width * channels;
    clear(to, w->width * channels);
    for (int64_t tap_y = 0; tap_y < w->kernel_h; tap_y++) {
      int64_t y = first % w->height + w->top - tap_y * w->dilation_h;
      if (y < 0 || y % w->stride_h || y / w->stride_h >= w->out_h) continue;
      const float *line = d->from + (first / w->height * w->out_h + y / w->stride_h) * w->out_w * channels;
      for (int64_t tap_x = 0; tap_x < w->kernel_w; tap_x++) {
        const float *filter = d->other + (tap_y * w->kernel_w + tap_x) * channels;
        int64_t x = tap_x * w->dilation_w - w->left;
        for (int64_t o = 0; o < w->out_w; o++, x += w->stride_w)
          if (x >= 0 && x < w->width) add_product(to + x * channels, line + o * channels, filter, channels);
      }
    }
  }
}

/* What some rows of the result give to the gradient of the filter. */
static void depthwise_filter_part(const void *job, int index) {
  const Depthwise *d = job;
  const Windows *w = &d->windows;
  int64_t channels = w->channels, size = w->kernel_h * w->kernel_w * channels, first, last;
  float *sums = d->to + index * size;
  bounds(d->rows, 1, d->parts, index, &first, &last);
  clear(sums, size);
  for (; first < last; first++) {
    const float *dy = d->other + first * w->out_w * channels;
    for (int64_t tap_y = 0; tap_y < w->kernel_h; tap_y++) {
      int64_t y = first % w->out_h * w->stride_h - w->top + tap_y * w->dilation_h;
      if (y < 0 || y >= w->height) continue;
      const float *line = d->from + (first / w->out_h * w->height + y) * w->width * channels;
      for (int64_t o = 0; o < w->out_w; o++)
        for (int64_t tap_x = 0; tap_x < w->kernel_w; tap_x++) { /* inside: their sums do not wait for each other */
          int64_t x = o * w->stride_w - w->left + tap_x * w->dilation_w;
          if (x < 0 || x >= w->width) continue;
          add_product(sums + (tap_y * w->kernel_w + tap_x) * channels, line + x * channels, dy + o * channels, channels);
        }
    }
  }
}

enum { DEPTHWISE_PART = 1 << 17 }; /* products */

static int depthwise_parts(const Depthwise *d, int64_t row) {
  int64_t work = d->rows * row * d->windows.channels * d->windows.kernel_h * d->windows.kernel_w;
  return (int)least(least((work + DEPTHWISE_PART - 1) / DEPTHWISE_PART, d->rows), MOST_PARTS);
}

/* The convolution of x with a filter [h, w, channels, 1]. */
XLA_FFI_Error *millrace_depthwise(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *to = result(frame, 0);
  Depthwise d = {.windows = windows_of(x, numbers(frame)), .from = x->data, .to = to->data};
  d.other = argument(frame, 1)->data, d.rows = to->dims[0] * to->dims[1];
  d.parts = depthwise_parts(&d, to->dims[2]);
  in_parallel(frame, depthwise_part, &d, d.parts);
  return NULL;
}

/* The gradient of its input, from that of its result and the filter. */
XLA_FFI_Error *millrace_depthwise_input_grad(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *to = result(frame, 0);
  Depthwise d = {.windows = windows_of(to, numbers(frame)), .from = argument(frame, 0)->data, .to = to->data};
  d.other = argument(frame, 1)->data, d.rows = to->dims[0] * to->dims[1];
  d.parts = depthwise_parts(&d, to->dims[2]);
  in_parallel(frame, depthwise_back_part, &d, d.parts);
  return NULL;
}

/* The gradient of its filter, from its input and that of its result. */
XLA_FFI_Error *millrace_depthwise_filter_grad(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *dy = argument(frame, 1), *to = result(frame, 0);
  Depthwise d = {.windows = windows_of(x, numbers(frame)), .from = x->data, .other = dy->data};
  d.rows = dy->dims[0] * dy->dims[1];
  d.parts = depthwise_parts(&d, dy->dims[2]);
  add_parts(frame, depthwise_filter_part, &d, &d.to, &d.parts, to->data, to->dims[0] * to->dims[1] * to->dims[2]);
  return NULL;
}

/* --- Adam --------------------------------------------------------------------------------------------------- */

typedef struct Adam {
  const float *var, *m, *v, *grad, *scalars;
  float *new_var, *new_m, *new_v;
  int64_t size;
  int parts;
} Adam;

static void adam_part(const void *job, int index) {
  const Adam *a = job;
  float rate = a->scalars[0], keep_m = a->scalars[1], keep_v = a->scalars[2], epsilon = a->scalars[3];
  int64_t first, last;
  bounds(a->size, LANES, a->parts, index, &first, &last);
#pragma GCC ivdep /* the new values may lie where the old ones do, element for element */
  for (int64_t i = first; i < last; i++) {
    float grad = a->grad[i];
    float m = a->m[i] + (grad - a->m[i]) * keep_m;
    float v = a->v[i] + (grad * grad - a->v[i]) * keep_v;
    a->new_m[i] = m;
    a->new_v[i] = v;
    a->new_var[i] = a->var[i] - m * rate / (__builtin_sqrtf(v) + epsilon);
  }
}

/* A step of Adam: (var, m, v, grad, {rate, 1 - beta1, 1 - beta2, epsilon}) -> var, m, v, in one pass over memory. */
XLA_FFI_Error *millrace_adam(XLA_FFI_CallFrame *frame) {
  enum { PART = 1 << 14 };
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *var = argument(frame, 0);
  Adam a = {.size = 1};
  for (int64_t i = 0; i < var->rank; i++) a.size *= var->dims[i];
  a.var = var->data, a.m = argument(frame, 1)->data, a.v = argument(frame, 2)->data;
  a.grad = argument(frame, 3)->data, a.scalars = argument(frame, 4)->data;
  a.new_var = result(frame, 0)->data, a.new_m = result(frame, 1)->data, a.new_v = result(frame, 2)->data;
  a.parts = (int)least((a.size + PART - 1) / PART, MOST_PARTS);
  in_parallel(frame, adam_part, &a, a.parts);
  return NULL;
}

/* --- rows of a table ---------------------------------------------------------------------------------------- */

static inline void add_row(float *restrict to, const float *restrict update, int64_t width, float sign) {
  for (int64_t j = 0; j < width; j++) to[j] += sign * update[j];
}

/* (table [n, ...], rows, updates [rows, ...]) -> the table, in place, with each update added to its row, or, where the number
   is -1, taken away: one after the other, as they come. Rows outside of the table are left out. */
XLA_FFI_Error *millrace_add_rows(XLA_FFI_CallFrame *frame) {
  if (is_question(frame)) return NULL;
  const XLA_FFI_Buffer *table = argument(frame, 0), *rows = argument(frame, 1), *out = result(frame, 0);
  const float *update = argument(frame, 2)->data;
  float sign = (float)numbers(frame)[0];
  int64_t width = 1;
  for (int64_t i = 1; i < table->rank; i++) width *= table->dims[i];
  if (out->data != table->data) memcpy(out->data, table->data, (size_t)(table->dims[0] * width) * sizeof(float));
  int wide = rows->dtype == XLA_FFI_DataType_S64;
  for (int64_t i = 0; i < rows->dims[0]; i++, update += width) {
    int64_t row = wide ? ((const int64_t *)rows->data)[i] : ((const int32_t *)rows->data)[i];
    if (row < 0 || row >= table->dims[0]) continue;
    add_row((float *)out->data + row * width, update, width, sign);
  }
  return NULL;
}

/* The same for the interpreter, which calls it itself: 1, or, where a row is outside of the table, 0 and nothing is done. */
int millrace_host_add_rows(float *table, int64_t rows, int64_t width, const int64_t *places, const float *updates,
                           int64_t count, int sign) {
  for (int64_t i = 0; i < count; i++)
    if (places[i] < 0 || places[i] >= rows) return 0;
  for (int64_t i = 0; i < count; i++) add_row(table + places[i] * width, updates + i * width, width, (float)sign);
  return 1;
}
