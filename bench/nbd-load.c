// The load generator of bench/nbd.mjs: one NBD connection that keeps DEPTH requests open and costs next to nothing, so that
// what is measured is the server. All requests that are due leave in one send, all replies that are there come in with one
// receive; times are taken where a request is handed to the socket and where its reply was read. Built by the bench: gcc -O2.
//
//   nbd-load URI read|write KEY=VALUE…   bytes=4096 depth=32 seconds=2 size=67108864
//   nbd-load serve PATH                  a server that does nothing, on a unix socket: what a client can get at most
//
// Places are random. Prints one line of JSON: requests, seconds, and microseconds a request took (median, p99, longest).
// seconds=0: runs until its standard input ends, and answers each line there with the longest request since the one before,
// those included that are still open.
// Spec: NBD proto.md, "Fixed newstyle negotiation", "Transmission phase".
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEPTH 1024
#define RECEIVE_BYTES (4u << 20)
#define TIMES_KEPT (1u << 22)

static void die(const char *what) { fprintf(stderr, "nbd-load: %s: %s\n", what, strerror(errno)); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

static void put(unsigned char *at, uint64_t value, int bytes) { while (bytes--) { at[bytes] = value; value >>= 8; } }
static uint64_t get(const unsigned char *at, int bytes) { uint64_t v = 0; while (bytes--) v = v << 8 | *at++; return v; }

static void send_all(int fd, const void *data, size_t length) {
  for (const char *at = data; length;) { ssize_t n = send(fd, at, length, MSG_NOSIGNAL); if (n <= 0) die("send"); at += n; length -= n; }
}
static void receive_all(int fd, void *data, size_t length) {
  for (char *at = data; length;) { ssize_t n = recv(fd, at, length, 0); if (n <= 0) die("receive"); at += n; length -= n; }
}

// ---- handshake ------------------------------------------------------------------------------------------------------

enum { OPT_GO = 7, OPT_STRUCTURED_REPLY = 8, REP_ACK = 1 };

/** Sends an option and takes its replies to the last one. Returns its type. */
static uint32_t negotiate(int fd, uint32_t option, const void *data, uint32_t length) {
  unsigned char head[20], skipped[65536];
  memcpy(head, "IHAVEOPT", 8); put(head + 8, option, 4); put(head + 12, length, 4);
  send_all(fd, head, 16); send_all(fd, data, length);
  for (;;) {
    receive_all(fd, head, 20);
    uint32_t type = get(head + 12, 4), bytes = get(head + 16, 4);
    if (sizeof skipped < bytes) die("an option's reply is too long");
    receive_all(fd, skipped, bytes);
    if (type == REP_ACK || type >> 31) return type;
  }
}

/** `nbd+unix:///EXPORT?socket=PATH`, the only form that servers here have. */
static int open_export(const char *uri) {
  static const char scheme[] = "nbd+unix:///", mark[] = "?socket=";
  const char *name = uri + sizeof scheme - 1, *query = strstr(uri, mark);
  if (strncmp(uri, scheme, sizeof scheme - 1) || !query || 256 < query - name) die(uri);
  const char *path = query + sizeof mark - 1;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  unsigned char greeting[18], flags[4] = {0, 0, 0, 3}, go[4 + 256 + 2] = {0};
  size_t name_bytes = query - name;
  put(go, name_bytes, 4); memcpy(go + 4, name, name_bytes);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (sizeof address.sun_path <= strlen(path)) die(path);
  strcpy(address.sun_path, path);
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) die(path);
  receive_all(fd, greeting, 18);
  send_all(fd, flags, 4);
  negotiate(fd, OPT_STRUCTURED_REPLY, "", 0); // As libnbd and QEMU do. A server that refuses sends simple replies.
  if (negotiate(fd, OPT_GO, go, 6 + name_bytes) != REP_ACK) die("the export is refused");
  return fd;
}

// ---- load -----------------------------------------------------------------------------------------------------------

static int fd, is_write, depth = 32;
static uint64_t bytes = 4096, size = 64 << 20, random_state = 88172645463325252u;
static unsigned char *out, *in;
static size_t out_bytes, in_bytes, body_left; // `body_left`: payload of a reply that is still to come, and is not looked at.
static double begun[MOST_DEPTH];
static int is_open[MOST_DEPTH], open_count;
static uint64_t done_count;
static double longest;
static float *times;

static uint64_t place(void) {
  random_state ^= random_state << 13; random_state ^= random_state >> 7; random_state ^= random_state << 17;
  return random_state % (size / bytes) * bytes;
}

/** Puts a request of this slot behind those that leave with the next send. */
static void ask(int slot) {
  unsigned char *at = out + out_bytes;
  put(at, 0x25609513, 4); put(at + 4, 0, 2); put(at + 6, is_write, 2); put(at + 8, slot, 8); put(at + 16, place(), 8); put(at + 24, bytes, 4);
  out_bytes += 28 + (is_write ? bytes : 0); // The payload is whatever the buffer holds.
  begun[slot] = now(); is_open[slot] = 1; open_count++;
}

static void answered(uint64_t slot, double at) {
  if (MOST_DEPTH <= slot || !is_open[slot]) die("a reply to nothing");
  double took = at - begun[slot];
  if (longest < took) longest = took;
  if (done_count < TIMES_KEPT) times[done_count] = took;
  done_count++; is_open[slot] = 0; open_count--;
}

/** One receive, and the slots it frees asked again. */
static void receive(int asks_again) {
  ssize_t n = recv(fd, in + in_bytes, RECEIVE_BYTES - in_bytes, 0);
  if (n <= 0) die("the server closed");
  in_bytes += n;
  double at_time = now();
  size_t at = 0;
  for (;;) {
    size_t skip = in_bytes - at < body_left ? in_bytes - at : body_left;
    at += skip; body_left -= skip;
    if (body_left || in_bytes - at < 16) break;
    uint32_t magic = get(in + at, 4);
    uint64_t slot;
    int is_last = 1;
    if (magic == 0x67446698) { // simple
      if (get(in + at + 4, 4)) die("the server answers with an error");
      slot = get(in + at + 8, 8); at += 16;
      body_left = is_write ? 0 : bytes;
    } else if (magic == 0x668e33ef) { // structured
      if (in_bytes - at < 20) break;
      if (get(in + at + 6, 2) >> 15) die("the server answers with an error");
      is_last = get(in + at + 4, 2) & 1; slot = get(in + at + 8, 8);
      body_left = get(in + at + 16, 4); at += 20;
    } else { die("not a reply"); }
    // The payload is behind its header in the same stream: a reply counts when its header is read, as the bytes that are left are few.
    if (is_last) { answered(slot, at_time); if (asks_again) ask(slot); }
  }
  memmove(in, in + at, in_bytes - at);
  in_bytes -= at;
}

// ---- a server that does nothing -------------------------------------------------------------------------------------

/** Whatever is read is what happens to be in memory, whatever is written is forgotten. One process a connection. */
static void serve_connection(void) {
  unsigned char head[20], data[65536], reply[20], greeting[18], info[12];
  memcpy(greeting, "NBDMAGICIHAVEOPT", 16); put(greeting + 16, 3, 2);
  send_all(fd, greeting, 18);
  receive_all(fd, head, 4);
  for (uint32_t option = 0; option != OPT_GO;) {
    receive_all(fd, head, 16);
    option = get(head + 8, 4);
    uint32_t length = get(head + 12, 4);
    if (sizeof data < length) die("an option is too long");
    receive_all(fd, data, length);
    put(reply, 0x3e889045565a9, 8); put(reply + 8, option, 4);
    if (option == OPT_GO) {
      put(info, 0, 2); put(info + 2, size, 8); put(info + 10, 1, 2);
      put(reply + 12, 3, 4); put(reply + 16, 12, 4);
      send_all(fd, reply, 20); send_all(fd, info, 12);
    }
    put(reply + 12, option == OPT_GO ? REP_ACK : 0x80000001, 4); put(reply + 16, 0, 4);
    send_all(fd, reply, 20);
  }
  for (size_t end = 0;;) {
    ssize_t n = recv(fd, in + end, RECEIVE_BYTES - end, 0);
    if (n <= 0) exit(0);
    end += n;
    size_t at = 0, answer = 0;
    while (28 <= end - at) {
      const unsigned char *request = in + at;
      uint32_t length = get(request + 24, 4), type = get(request + 6, 2);
      size_t payload = type == 1 ? length : 0;
      if (type == 2) exit(0);
      if (end - at < 28 + payload) break;
      put(out + answer, 0x67446698, 4); put(out + answer + 4, 0, 4); memcpy(out + answer + 8, request + 8, 8);
      answer += 16 + (type == 0 ? length : 0);
      at += 28 + payload;
    }
    memmove(in, in + at, end - at);
    end -= at;
    if (answer) send_all(fd, out, answer);
  }
}

_Noreturn static void serve(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (sizeof address.sun_path <= strlen(path)) die(path);
  strcpy(address.sun_path, path);
  out = calloc(1, RECEIVE_BYTES / 28 * (size_t)(16 + 4096)); // As many replies of 4 KiB as one receive can hold requests for.
  in = malloc(RECEIVE_BYTES);
  signal(SIGCHLD, SIG_IGN);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8)) die(path);
  for (;;) {
    fd = accept(listener, 0, 0);
    if (fd < 0) die("accept");
    pid_t child = fork();
    if (child == 0) serve_connection();
    close(fd);
  }
}

static int by_value(const void *a, const void *b) { float x = *(const float *)a, y = *(const float *)b; return (x > y) - (x < y); }

/** Answers a line on standard input. False when it has ended. */
static int tell_longest(void) {
  char line[64];
  ssize_t n = read(0, line, sizeof line);
  if (n <= 0) return 0;
  double at = now();
  for (int slot = 0; slot < depth; slot++) if (is_open[slot] && longest < at - begun[slot]) longest = at - begun[slot];
  printf("{\"requests\":%lu,\"longestMs\":%.4f}\n", (unsigned long)done_count, longest * 1e3);
  fflush(stdout);
  longest = 0;
  return 1;
}

int main(int argc, char **argv) {
  double seconds = 2;
  if (argc < 3) { fprintf(stderr, "usage: nbd-load URI read|write KEY=VALUE… | nbd-load serve PATH\n"); return 64; }
  if (!strcmp(argv[1], "serve")) serve(argv[2]);
  is_write = !strcmp(argv[2], "write");
  for (int i = 3; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (!value) die(argv[i]);
    *value++ = 0;
    if (!strcmp(argv[i], "bytes")) bytes = atoll(value);
    else if (!strcmp(argv[i], "depth")) depth = atoi(value);
    else if (!strcmp(argv[i], "seconds")) seconds = atof(value);
    else if (!strcmp(argv[i], "size")) size = atoll(value);
    else { fprintf(stderr, "nbd-load: no option %s\n", argv[i]); return 64; }
  }
  if (depth < 1 || MOST_DEPTH < depth) { fprintf(stderr, "nbd-load: depth is 1 to %d\n", MOST_DEPTH); return 64; }
  out = calloc(depth, 28 + (is_write ? bytes : 0));
  in = malloc(RECEIVE_BYTES);
  times = malloc(TIMES_KEPT * sizeof *times);
  fd = open_export(argv[1]);
  double started_at = now();
  double ends_at = seconds ? started_at + seconds : started_at * 2 + 1e9;
  for (int slot = 0; slot < depth; slot++) ask(slot);
  int goes_on = 1;
  while (goes_on || open_count) {
    if (out_bytes) send_all(fd, out, out_bytes);
    out_bytes = 0;
    if (seconds == 0) {
      struct pollfd on[2] = {{.fd = fd, .events = POLLIN}, {.fd = goes_on ? 0 : -1, .events = POLLIN}};
      if (poll(on, 2, -1) < 0) die("poll");
      if (on[1].revents && !tell_longest()) goes_on = 0;
      if (!on[0].revents) continue;
    }
    if (ends_at <= now()) goes_on = 0;
    receive(goes_on);
  }
  double took = now() - started_at;
  size_t kept = done_count < TIMES_KEPT ? done_count : TIMES_KEPT;
  qsort(times, kept, sizeof *times, by_value);
  printf("{\"requests\":%lu,\"seconds\":%.6f,\"medianUs\":%.2f,\"p99Us\":%.2f,\"longestUs\":%.2f}\n", (unsigned long)done_count, took,
         times[kept / 2] * 1e6, times[kept * 99 / 100] * 1e6, times[kept - 1] * 1e6);
  unsigned char bye[28] = {0};
  put(bye, 0x25609513, 4); put(bye + 6, 2, 2);
  send(fd, bye, 28, MSG_NOSIGNAL);
  return 0;
}
