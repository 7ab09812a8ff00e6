// The load generator of bench/relay.mjs: plays the browsers on one side of a relay and the VMs on the other, so that what
// arrives is counted where it arrives and the generator costs next to nothing. Built by the bench: gcc -O2 -pthread -lssl.
//
//   relay-load backend PATH|PORT                          VMs; runs until its standard input ends
//   relay-load down|up|echo|setups|idle|stall KEY=VALUE…  browsers; prints one line of JSON
//
// The first byte from a browser tells a VM what to do: 'D' send without end, 'U' take everything, 'E' send back, 'S' send one byte.
// An RFB VM (backend with rfb=1) greets, shakes hands (3.8, None) and answers an update request with raw updates without end.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

// ---- VMs ----------------------------------------------------------------------------------------------------------

static int backend_rfb = 0;
static unsigned char noise[1 << 20];

static int write_all(int fd, const void *data, size_t length) {
  const unsigned char *at = data;
  while (length) {
    ssize_t n = write(fd, at, length);
    if (n <= 0) { if (n < 0 && errno == EINTR) continue; return -1; }
    at += n; length -= n;
  }
  return 0;
}
static int read_all(int fd, void *data, size_t length) {
  unsigned char *at = data;
  while (length) {
    ssize_t n = read(fd, at, length);
    if (n <= 0) { if (n < 0 && errno == EINTR) continue; return -1; }
    at += n; length -= n;
  }
  return 0;
}

static void rfb_vm(int fd) {
  unsigned char in[64];
  static const unsigned char init[] = {4, 0, 3, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 2, 'v', 'm'};
  if (write_all(fd, "RFB 003.008\n", 12) || read_all(fd, in, 12)) return;
  if (write_all(fd, "\1\1", 2) || read_all(fd, in, 1)) return;
  if (write_all(fd, "\0\0\0\0", 4) || read_all(fd, in, 1)) return;
  if (write_all(fd, init, sizeof init)) return;
  // SetEncodings (one), then an update request: what the browser of this bench says.
  if (read_all(fd, in, 4 + 4) || read_all(fd, in, 10)) return;
  unsigned char head[16] = {0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0};
  const size_t pixels = 1024 * 768 * 4;
  unsigned char *update = malloc(16 + pixels);
  memcpy(update, head, 16);
  memset(update + 16, 0x5a, pixels);
  while (!write_all(fd, update, 16 + pixels)) {}
  free(update);
}

static void *vm(void *arg) {
  int fd = (int)(intptr_t)arg;
  unsigned char *buffer = malloc(1 << 18);
  ssize_t n;
  if (backend_rfb) rfb_vm(fd);
  else if ((n = read(fd, buffer, 1 << 18)) > 0) {
    if (buffer[0] == 'D') { while (!write_all(fd, noise, 1 << 17)) {} }
    else if (buffer[0] == 'E') {
      int off = 1;
      while (n > 0) { if (n > off && write_all(fd, buffer + off, n - off)) break; off = 0; n = read(fd, buffer, 1 << 18); }
    } else if (buffer[0] == 'U') {
      // Tells how much has come, fifty times a second.
      uint64_t total = n - 1;
      double told = now();
      for (;;) {
        if (now() - told >= 0.02) { told = now(); if (write_all(fd, &total, 8)) break; }
        n = read(fd, buffer, 1 << 18);
        if (n <= 0) break;
        total += n;
      }
    }
  }
  free(buffer);
  close(fd);
  return 0;
}

// Thousands of quiet VMs are one epoll loop: answer 'S' with a byte, keep the connection.
static int quiet_epoll;
static void *quiet(void *arg) {
  (void)arg;
  struct epoll_event events[256];
  for (;;) {
    int n = epoll_wait(quiet_epoll, events, 256, -1);
    for (int i = 0; i < n; i++) {
      unsigned char first[4096];
      int fd = events[i].data.fd;
      ssize_t got = recv(fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
      if (got <= 0) { close(fd); continue; }
      if (first[0] == 'S' && !backend_rfb) { recv(fd, first, sizeof first, 0); send(fd, "s", 1, MSG_NOSIGNAL); continue; }
      epoll_ctl(quiet_epoll, EPOLL_CTL_DEL, fd, 0);
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
      pthread_t thread;
      pthread_attr_t attr;
      pthread_attr_init(&attr);
      pthread_attr_setstacksize(&attr, 256 << 10);
      pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
      if (pthread_create(&thread, &attr, vm, (void *)(intptr_t)fd)) close(fd);
    }
  }
  return 0;
}

static int listen_on(const char *where) {
  int port = atoi(where), fd;
  if (port > 0) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&to, sizeof to)) die("bind");
  } else {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", where);
    unlink(where);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (void *)&to, sizeof to)) die("bind");
  }
  if (listen(fd, 4096)) die("listen");
  return fd;
}

static void *accept_loop(void *arg) {
  int listener = (int)(intptr_t)arg;
  for (;;) {
    int fd = accept(listener, 0, 0);
    if (fd < 0) { if (errno == EMFILE) usleep(1000); continue; }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (backend_rfb) {
      pthread_t thread;
      pthread_create(&thread, 0, vm, (void *)(intptr_t)fd);
      pthread_detach(thread);
      continue;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(quiet_epoll, EPOLL_CTL_ADD, fd, &event);
  }
  return 0;
}

// ---- browsers -----------------------------------------------------------------------------------------------------

static int port = 0, is_ws = 1, is_tls = 0, is_rfb = 0, frame_bytes = 64, count = 1, neighbours = 0;
static double seconds = 2;
static char *tickets = 0, *ticket_at = 0;
static SSL_CTX *tls;
typedef struct { int fd; SSL *ssl; } conn;

static ssize_t c_read(conn *c, void *to, size_t n) { return c->ssl ? SSL_read(c->ssl, to, n) : read(c->fd, to, n); }
static int c_write(conn *c, const void *from, size_t n) {
  if (!c->ssl) return write_all(c->fd, from, n);
  return SSL_write(c->ssl, from, n) == (int)n ? 0 : -1;
}
static int c_exact(conn *c, void *to, size_t n) {
  unsigned char *at = to;
  while (n) { ssize_t got = c_read(c, at, n); if (got <= 0) return -1; at += got; n -= got; }
  return 0;
}
static void c_close(conn *c) { if (c->ssl) SSL_free(c->ssl); close(c->fd); }

static size_t put_frame(unsigned char *to, const unsigned char *payload, size_t n) {
  static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
  size_t h = 2;
  to[0] = 0x82;
  if (n < 126) to[1] = 0x80 | n;
  else { to[1] = 0x80 | 126; to[2] = n >> 8; to[3] = n & 255; h = 4; }
  memcpy(to + h, mask, 4);
  h += 4;
  for (size_t i = 0; i < n; i++) to[h + i] = payload[i] ^ mask[i & 3];
  return h + n;
}
static int c_say(conn *c, const void *payload, size_t n) {
  unsigned char bytes[1024];
  if (!is_ws) return c_write(c, payload, n);
  return c_write(c, bytes, put_frame(bytes, payload, n));
}

static int tcp_connect(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (void *)&to, sizeof to)) { close(fd); return -1; }
  return fd;
}

static pthread_mutex_t ticket_lock = PTHREAD_MUTEX_INITIALIZER;
static void next_ticket(char *to) {
  to[0] = 0;
  if (!tickets) return;
  pthread_mutex_lock(&ticket_lock);
  if (*ticket_at) { memcpy(to, ticket_at, 43); to[43] = 0; ticket_at += 44; }
  pthread_mutex_unlock(&ticket_lock);
}

static int c_open(conn *c) {
  c->ssl = 0;
  c->fd = tcp_connect();
  if (c->fd < 0) return -1;
  if (is_tls) {
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1) { c_close(c); return -1; }
  }
  if (!is_ws) return 0;
  char ticket[48], request[512], reply[4096];
  next_ticket(ticket);
  int n = snprintf(request, sizeof request,
    "GET /ws/session HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary%s%s\r\n\r\n",
    ticket[0] ? ", oriel.ticket." : "", ticket);
  if (c_write(c, request, n)) { c_close(c); return -1; }
  int at = 0;
  for (;;) {  // A byte at a time: what follows the head belongs to the stream.
    if (at == sizeof reply || c_read(c, reply + at, 1) != 1) { c_close(c); return -1; }
    at++;
    if (at >= 4 && !memcmp(reply + at - 4, "\r\n\r\n", 4)) break;
  }
  if (memcmp(reply, "HTTP/1.1 101", 12)) { c_close(c); return -1; }
  return 0;
}
static conn must_open(void) { conn c; if (c_open(&c)) { fprintf(stderr, "relay-load: no connection\n"); exit(1); } return c; }

// Payload bytes of a frame whose header has been read, for short frames from the server.
static ssize_t c_hear(conn *c, unsigned char *to, size_t most) {
  unsigned char head[4];
  if (!is_ws) { ssize_t n = c_read(c, to, most); return n; }
  if (c_exact(c, head, 2)) return -1;
  size_t n = head[1] & 127;
  if (n == 126) { if (c_exact(c, head, 2)) return -1; n = head[0] << 8 | head[1]; }
  if (n > most || c_exact(c, to, n)) return -1;
  return n;
}
// RFB at the start: exactly n payload bytes, in whatever frames.
static _Thread_local unsigned char heard[65536];
static _Thread_local size_t heard_bytes = 0;
static int c_payload(conn *c, size_t n) {
  while (heard_bytes < n) {
    ssize_t got = c_hear(c, heard + heard_bytes, sizeof heard - heard_bytes);
    if (got <= 0) return -1;
    heard_bytes += got;
  }
  memmove(heard, heard + n, heard_bytes - n);
  heard_bytes -= n;
  return 0;
}
// Up to and including the fixed part of ServerInit.
static int rfb_open(conn *c) {
  heard_bytes = 0;
  return c_payload(c, 12) || c_say(c, "RFB 003.008\n", 12) || c_payload(c, 2) || c_say(c, "\1", 1) || c_payload(c, 4) ||
         c_say(c, "\1", 1) || c_payload(c, 24);
}
static void start_down(conn *c) {
  if (!is_rfb) { if (c_say(c, "D", 1)) die("say"); return; }
  static const unsigned char encodings[] = {2, 0, 0, 1, 0, 0, 0, 0};
  static const unsigned char update[] = {3, 0, 0, 0, 0, 0, 4, 0, 3, 0};
  if (rfb_open(c) || c_say(c, encodings, 8) || c_say(c, update, 10)) { fprintf(stderr, "relay-load: no RFB\n"); exit(1); }
}

static atomic_int stop;
static _Atomic uint64_t moved;
static void *drink(void *arg) {
  conn *c = arg;
  unsigned char *buffer = malloc(1 << 18);
  while (!stop) {
    ssize_t n = c_read(c, buffer, 1 << 18);
    if (n <= 0) break;
    moved += n;
  }
  free(buffer);
  return 0;
}

static void down(void) {
  conn conns[64];
  pthread_t threads[64];
  for (int i = 0; i < count; i++) { conns[i] = must_open(); start_down(&conns[i]); pthread_create(&threads[i], 0, drink, &conns[i]); }
  usleep(100000);
  moved = 0;
  double from = now();
  printf("start\n"), fflush(stdout);
  usleep(seconds * 1e6);
  double took = now() - from;
  uint64_t bytes = moved;
  printf("{\"bytes\":%llu,\"seconds\":%f}\n", (unsigned long long)bytes, took), fflush(stdout);
  stop = 1;
  for (int i = 0; i < count; i++) { shutdown(conns[i].fd, SHUT_RDWR); pthread_join(threads[i], 0); }
}

static void *count_up(void *arg) {
  conn *c = arg;
  unsigned char got[65536];
  // The VM tells its total in eight bytes each time; frames are not taken apart here but for their last eight bytes.
  while (!stop) {
    ssize_t n = c_hear(c, got, sizeof got);
    if (n < 8) break;
    uint64_t total;
    memcpy(&total, got + n - 8, 8);
    moved = total;
  }
  return 0;
}
static void *spew(void *arg) {
  conn *c = arg;
  unsigned char *buffer = malloc(1 << 17);
  size_t used = 0;
  while (used + frame_bytes + 16 < (1 << 17)) {
    if (is_ws) used += put_frame(buffer + used, noise, frame_bytes);
    else { memcpy(buffer + used, noise, frame_bytes); used += frame_bytes; }
  }
  while (!stop) if (c_write(c, buffer, used)) break;
  free(buffer);
  return 0;
}
static void up(void) {
  conn c = must_open();
  pthread_t reader, writer;
  if (c_say(&c, "U", 1)) die("say");
  pthread_create(&reader, 0, count_up, &c);
  pthread_create(&writer, 0, spew, &c);
  usleep(200000);
  uint64_t before = moved;
  double from = now();
  printf("start\n"), fflush(stdout);
  usleep(seconds * 1e6);
  double took = now() - from;
  uint64_t bytes = moved - before;
  printf("{\"bytes\":%llu,\"seconds\":%f}\n", (unsigned long long)bytes, took), fflush(stdout);
  stop = 1;
  shutdown(c.fd, SHUT_RDWR);
  pthread_join(writer, 0);
  pthread_join(reader, 0);
}

static int by_size(const void *a, const void *b) { double d = *(double *)a - *(double *)b; return d < 0 ? -1 : d > 0; }
static void echo(void) {
  pthread_t threads[64];
  conn others[64];
  for (int i = 0; i < neighbours; i++) { others[i] = must_open(); start_down(&others[i]); pthread_create(&threads[i], 0, drink, &others[i]); }
  conn c = must_open();
  if (c_say(&c, "E", 1)) die("say");
  usleep(200000);
  double *took = malloc(sizeof(double) * 1000000);
  int n = 0;
  double until = now() + seconds;
  unsigned char got[256];
  moved = 0;
  printf("start\n"), fflush(stdout);
  while (now() < until && n < 1000000) {
    double from = now();
    int got_bytes = -2;
    if (c_say(&c, "pinger", 6) || (got_bytes = c_hear(&c, got, sizeof got)) != 6) {
      fprintf(stderr, "relay-load: echo broke: %d bytes after %d\n", got_bytes, n);
      exit(1);
    }
    took[n++] = now() - from;
    usleep(500);
  }
  qsort(took, n, sizeof(double), by_size);
  printf("{\"p50us\":%f,\"p99us\":%f,\"count\":%d,\"neighbourBytes\":%llu,\"seconds\":%f}\n", took[n / 2] * 1e6, took[n * 99 / 100] * 1e6, n, (unsigned long long)moved, seconds);
  fflush(stdout);
  _exit(0);
}

static atomic_int done, refused;
static void *set_up(void *arg) {
  (void)arg;
  unsigned char got[256];
  while (!stop) {
    conn c;
    if (tickets && !*ticket_at) break;
    if (c_open(&c)) { fprintf(stderr, "relay-load: a connection was refused after %d\n", done); break; }
    // What the VM says ends a set-up: ServerInit of RFB, or the answer to 'S'.
    int failed = is_rfb ? rfb_open(&c) : c_say(&c, "S", 1) || c_hear(&c, got, sizeof got) <= 0;
    if (failed) { refused++; c_close(&c); continue; }
    if (!stop) done++;
    c_close(&c);
  }
  return 0;
}
static void setups(void) {
  pthread_t threads[64];
  for (int i = 0; i < count; i++) pthread_create(&threads[i], 0, set_up, 0);
  usleep(200000);
  int before = done;
  double from = now();
  printf("start\n"), fflush(stdout);
  usleep(seconds * 1e6);
  int n = done - before;
  printf("{\"count\":%d,\"seconds\":%f,\"refused\":%d}\n", n, now() - from, refused), fflush(stdout);
  _exit(0);
}

static void idle(void) {
  int failed = 0, made = 0;
  for (int i = 0; i < count; i++) {
    conn c;
    unsigned char got[64];
    if (c_open(&c)) { if (++failed > 50) break; continue; }
    if (c_say(&c, "S", 1) || c_hear(&c, got, sizeof got) <= 0) { failed++; c_close(&c); if (failed > 50) break; continue; }
    made++;
  }
  printf("{\"count\":%d,\"failed\":%d}\n", made, failed), fflush(stdout);
  getchar();  // Held until the bench has looked.
}

static void stall(void) {
  conn c = must_open();
  int small = 4096;
  setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  start_down(&c);
  usleep(seconds * 1e6);
  printf("{\"seconds\":%f}\n", seconds), fflush(stdout);
  getchar();
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = i * 131 + (i >> 8);
  if (argc < 3) { fprintf(stderr, "usage: relay-load MODE KEY=VALUE…\n"); return 64; }
  for (int i = 2; i < argc; i++) {
    char *v = strchr(argv[i], '=');
    if (!v) continue;
    *v++ = 0;
    if (!strcmp(argv[i], "port")) port = atoi(v);
    else if (!strcmp(argv[i], "ws")) is_ws = atoi(v);
    else if (!strcmp(argv[i], "tls")) is_tls = atoi(v);
    else if (!strcmp(argv[i], "rfb")) is_rfb = backend_rfb = atoi(v);
    else if (!strcmp(argv[i], "frame")) frame_bytes = atoi(v);
    else if (!strcmp(argv[i], "count")) count = atoi(v);
    else if (!strcmp(argv[i], "neighbours")) neighbours = atoi(v);
    else if (!strcmp(argv[i], "seconds")) seconds = atof(v);
    else if (!strcmp(argv[i], "tickets")) {
      FILE *f = fopen(v, "r");
      if (!f) die(v);
      tickets = ticket_at = calloc(1, 16 << 20);
      if (!fread(tickets, 1, (16 << 20) - 1, f)) die(v);
      fclose(f);
    }
  }
  if (is_tls) { tls = SSL_CTX_new(TLS_client_method()); SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION); }
  if (!strcmp(argv[1], "backend")) {
    pthread_t thread;
    quiet_epoll = epoll_create1(0);
    pthread_create(&thread, 0, quiet, 0);
    for (int i = 2; i < argc && strlen(argv[i]); i++) {
      if (!strcmp(argv[i], "rfb")) continue;
      pthread_create(&thread, 0, accept_loop, (void *)(intptr_t)listen_on(argv[i]));
    }
    printf("ready\n"), fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
  }
  if (!strcmp(argv[1], "down")) down();
  else if (!strcmp(argv[1], "up")) up();
  else if (!strcmp(argv[1], "echo")) echo();
  else if (!strcmp(argv[1], "setups")) setups();
  else if (!strcmp(argv[1], "idle")) idle();
  else if (!strcmp(argv[1], "stall")) stall();
  else return 64;
  return 0;
}
