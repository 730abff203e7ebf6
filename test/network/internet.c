// A small internet for tests: hosts in network namespaces, home routers with five kinds of address translation, delay
// and loss. It moves IPv4 packets between the TUN devices of the namespaces itself, so it needs no firewall tools and
// no kernel modules. It reads commands on standard input, one per line, and answers each with `ok` or `error …`:
//
//   host NAME IP DELAY_US                  a host on the internet: device tun0 in the namespace NAME
//   router NAME IP DELAY_US KIND GATEWAY   a home router: its outside address, and its address inside (a /24)
//   inside NAME IP ROUTER                  a host behind a router
//   kind ROUTER KIND                       changes the kind, and forgets the mappings
//   forget ROUTER                          forgets all but the forwarded ports, as at a restart
//   forward ROUTER PORT IP                 forwards a TCP port to the same port of a host inside
//   portmap ROUTER 0|1                     answers NAT-PMP (RFC 6886); off at first
//   cut NAME 0|1                           loses every packet of a host or router
//   loss NAME PERMILLE                     loses some
//   count NAME                             answers `ok PACKETS BYTES`: what the host has sent and received
//
// Kinds: port    keeps the port; lets in what an own packet went out to (most home routers); drops the rest
//        reject  the same, but answers a stranger's SYN with RST
//        eim     gives each inside port another outside port, the same for all destinations
//        cone    the same as port, but lets everybody in through a port that is in use
//        sym     gives each destination another outside port
//        web     the same as port, but lets out TCP to ports 80 and 443 alone
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { maxNodes = 512, maxPacket = 1600, tcp = 6, udp = 17, portMapPort = 5351 };
typedef enum { portKind, rejectKind, eimKind, coneKind, symKind, webKind, kinds } Kind;
static const char *const kindNames[] = { "port", "reject", "eim", "cone", "sym", "web" };

/** An inside port and its outside port; of a symmetric router, towards one destination. Addresses in host order. */
typedef struct Mapping {
  struct Mapping *next;
  uint8_t protocol;
  uint32_t inside, remote;
  uint16_t insidePort, outsidePort, remotePort;
  /** Lets everybody in. */
  int forwarded;
  /** Set up by hand in the router: survives its restart. */
  int fixed;
} Mapping;

/** A destination to which a packet went out through a mapping. */
typedef struct Flow {
  struct Flow *next;
  const Mapping *mapping;
  uint32_t remote;
  uint16_t remotePort;
} Flow;

typedef struct Node {
  char name[32];
  uint32_t ip, gateway;
  struct Node *router;
  int isRouter, tun, isCut, lossPermille, mapsPorts;
  int64_t delayUs;
  Kind kind;
  Mapping *mappings;
  Flow *flows;
  uint64_t packets, bytes;
  time_t startedAt;
} Node;

typedef struct { int64_t at; uint64_t order; int length; uint8_t data[maxPacket]; } Packet;

static Node nodes[maxNodes];
static int nodeCount;
static Packet **heap;
static int heapSize, heapRoom;
static uint64_t sent;

static int64_t nowUs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static Node *named(const char *name) {
  for (int i = 0; i < nodeCount; i++) if (strcmp(nodes[i].name, name) == 0) return &nodes[i];
  return NULL;
}

/** The host or router that owns an address of the internet. */
static Node *outsideNode(uint32_t ip) {
  for (int i = 0; i < nodeCount; i++) if (nodes[i].ip == ip && nodes[i].router == NULL) return &nodes[i];
  return NULL;
}

static Node *insideNode(const Node *router, uint32_t ip) {
  for (int i = 0; i < nodeCount; i++) if (nodes[i].ip == ip && nodes[i].router == router) return &nodes[i];
  return NULL;
}

// ---- packets

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static void put16(uint8_t *at, uint16_t value) { at[0] = (uint8_t)(value >> 8); at[1] = (uint8_t)value; }
static void put32(uint8_t *at, uint32_t value) { put16(at, (uint16_t)(value >> 16)); put16(at + 2, (uint16_t)value); }

static uint32_t sum(const uint8_t *data, int length, uint32_t start) {
  for (int i = 0; i + 1 < length; i += 2) start += get16(data + i);
  if (length % 2 == 1) start += (uint32_t)data[length - 1] << 8;
  return start;
}
static uint16_t folded(uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

static int headerBytes(const uint8_t *packet) { return (packet[0] & 15) * 4; }
static uint8_t *segment(uint8_t *packet) { return packet + headerBytes(packet); }
static int checksumAt(uint8_t protocol) { return protocol == tcp ? 16 : 6; }

/** Computes the checksums of a packet whose addresses or ports have changed. */
static void seal(uint8_t *packet, int length) {
  int header = headerBytes(packet);
  uint8_t protocol = packet[9];
  put16(packet + 10, 0);
  put16(packet + 10, folded(sum(packet, header, 0)));
  uint8_t *field = packet + header + checksumAt(protocol);
  put16(field, 0);
  uint32_t pseudo = sum(packet + 12, 8, protocol + (uint32_t)(length - header));
  put16(field, folded(sum(packet + header, length - header, pseudo)));
}

// ---- the queue of packets under way, the earliest first

static int isBefore(const Packet *a, const Packet *b) { return a->at != b->at ? a->at < b->at : a->order < b->order; }
static void swap(int a, int b) { Packet *held = heap[a]; heap[a] = heap[b]; heap[b] = held; }

static void push(const uint8_t *data, int length, int64_t delayUs) {
  if (heapSize == heapRoom) heap = realloc(heap, (size_t)(heapRoom = heapRoom * 2 + 64) * sizeof *heap);
  Packet *packet = malloc(sizeof *packet);
  packet->at = nowUs() + delayUs;
  packet->order = sent++;
  packet->length = length;
  memcpy(packet->data, data, (size_t)length);
  int at = heapSize++;
  heap[at] = packet;
  for (; at > 0 && isBefore(heap[at], heap[(at - 1) / 2]); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

static Packet *pop(void) {
  Packet *first = heap[0];
  heap[0] = heap[--heapSize];
  for (int at = 0;;) {
    int least = at;
    for (int child = 2 * at + 1; child <= 2 * at + 2 && child < heapSize; child++)
      if (isBefore(heap[child], heap[least])) least = child;
    if (least == at) return first;
    swap(at, least);
    at = least;
  }
}

// ---- routers

static void forget(Node *router) {
  for (Mapping **at = &router->mappings; *at != NULL;) {
    Mapping *each = *at;
    if (each->fixed) { at = &each->next; continue; }
    *at = each->next;
    free(each);
  }
  while (router->flows != NULL) { Flow *next = router->flows->next; free(router->flows); router->flows = next; }
  router->startedAt = time(NULL);
}

static int isTaken(const Node *router, uint8_t protocol, uint16_t port) {
  for (const Mapping *each = router->mappings; each != NULL; each = each->next)
    if (each->protocol == protocol && each->outsidePort == port) return 1;
  return 0;
}

static uint16_t freePort(const Node *router, uint8_t protocol, uint16_t wished) {
  while (wished < 1024 || isTaken(router, protocol, wished)) wished = (uint16_t)(1024 + rand() % 64000);
  return wished;
}

static Mapping *addMapping(Node *router, Mapping mapping) {
  Mapping *added = malloc(sizeof *added);
  *added = mapping;
  added->next = router->mappings;
  return router->mappings = added;
}

static const Flow *flowOf(const Node *router, const Mapping *mapping, uint32_t remote, uint16_t remotePort) {
  for (const Flow *flow = router->flows; flow != NULL; flow = flow->next)
    if (flow->mapping == mapping && flow->remote == remote && flow->remotePort == remotePort) return flow;
  return NULL;
}

static void addFlow(Node *router, const Mapping *mapping, uint32_t remote, uint16_t remotePort) {
  if (flowOf(router, mapping, remote, remotePort) != NULL) return;
  Flow *flow = malloc(sizeof *flow);
  *flow = (Flow){ router->flows, mapping, remote, remotePort };
  router->flows = flow;
}

/** Translates a packet on its way out. False: the router does not let it out. */
static int translateOut(Node *router, uint8_t *packet, int length) {
  uint8_t protocol = packet[9], *ports = segment(packet);
  uint32_t inside = get32(packet + 12), remote = get32(packet + 16);
  uint16_t insidePort = get16(ports), remotePort = get16(ports + 2);
  if (router->kind == webKind && (protocol != tcp || (remotePort != 80 && remotePort != 443))) return 0;
  int perDestination = router->kind == symKind;
  Mapping *mapping = router->mappings;
  while (mapping != NULL && (mapping->protocol != protocol || mapping->inside != inside || mapping->insidePort != insidePort ||
      (perDestination && !mapping->forwarded && (mapping->remote != remote || mapping->remotePort != remotePort)))) mapping = mapping->next;
  if (mapping == NULL || (protocol == tcp && !mapping->forwarded && flowOf(router, mapping, remote, remotePort) == NULL)) {
    // A connection in progress whose mapping was forgotten is dead.
    int isFirst = protocol != tcp || (ports[13] & 2) != 0;
    if (!isFirst) return 0;
  }
  if (mapping == NULL) {
    uint16_t wished = router->kind == eimKind ? (uint16_t)(20000 + insidePort * 7919u % 40000) : perDestination ? (uint16_t)rand() : insidePort;
    mapping = addMapping(router, (Mapping){ .protocol = protocol, .inside = inside, .insidePort = insidePort, .remote = remote, .remotePort = remotePort,
      .outsidePort = freePort(router, protocol, wished) });
  }
  addFlow(router, mapping, remote, remotePort);
  put32(packet + 12, router->ip);
  put16(ports, mapping->outsidePort);
  seal(packet, length);
  return 1;
}

static void answerReset(const Node *router, uint8_t *packet);

/** Translates a packet that arrived from the internet. Null: the router does not let it in. */
static Node *translateIn(Node *router, uint8_t *packet, int length) {
  uint8_t protocol = packet[9], *ports = segment(packet);
  uint32_t remote = get32(packet + 12);
  uint16_t remotePort = get16(ports), outsidePort = get16(ports + 2);
  for (Mapping *mapping = router->mappings; mapping != NULL; mapping = mapping->next) {
    if (mapping->protocol != protocol || mapping->outsidePort != outsidePort) continue;
    if (!mapping->forwarded && router->kind != coneKind && flowOf(router, mapping, remote, remotePort) == NULL) continue;
    addFlow(router, mapping, remote, remotePort);
    put32(packet + 16, mapping->inside);
    put16(ports + 2, mapping->insidePort);
    seal(packet, length);
    return insideNode(router, mapping->inside);
  }
  if (router->kind == rejectKind && protocol == tcp && (ports[13] & 6) == 2) answerReset(router, packet);
  return NULL;
}

// ---- moving packets

static int isLost(Node *node, int length) {
  node->packets++;
  node->bytes += (uint64_t)length;
  return node->isCut || (node->lossPermille > 0 && rand() % 1000 < node->lossPermille);
}

static void deliver(Node *host, const uint8_t *packet, int length) {
  if (isLost(host, length)) return;
  if (write(host->tun, packet, (size_t)length) < 0) { /* The device is down, or its host does not read. */ }
}

/** Sends a packet of the internet on its way; `from` is the host or router that it left. */
static void route(Node *from, const uint8_t *packet, int length) {
  Node *to = outsideNode(get32(packet + 16));
  // As with most routers, an inside host does not reach its own outside address.
  if (to == NULL || to == from || isLost(from, length)) return;
  push(packet, length, from->delayUs + to->delayUs);
}

static void arrive(Packet *packet) {
  Node *to = outsideNode(get32(packet->data + 16));
  if (to == NULL) return;
  if (!to->isRouter) { deliver(to, packet->data, packet->length); return; }
  if (isLost(to, packet->length)) return;
  Node *host = translateIn(to, packet->data, packet->length);
  if (host != NULL) deliver(host, packet->data, packet->length);
}

/** Answers a SYN with RST. */
static void answerReset(const Node *router, uint8_t *packet) {
  const uint8_t *ports = segment(packet);
  uint8_t answer[40] = { 0x45 };
  put16(answer + 2, sizeof answer);
  answer[8] = 64;
  answer[9] = tcp;
  put32(answer + 12, get32(packet + 16));
  put32(answer + 16, get32(packet + 12));
  put16(answer + 20, get16(ports + 2));
  put16(answer + 22, get16(ports));
  put32(answer + 28, get32(ports + 4) + 1);
  answer[32] = 0x50;
  answer[33] = 0x14;
  seal(answer, sizeof answer);
  route((Node *)router, answer, sizeof answer);
}

/** Answers NAT-PMP: the outside address (operation 0), and mappings of UDP and TCP ports (1 and 2). */
static void answerPortMap(Node *router, Node *host, uint8_t *packet, int length) {
  const uint8_t *ports = segment(packet), *asked = ports + 8;
  int size = length - (int)(asked - packet);
  if (!router->mapsPorts || packet[9] != udp || get16(ports + 2) != portMapPort || size < 2 || asked[0] != 0 || asked[1] > 2) return;
  if (asked[1] > 0 && size < 12) return;
  uint8_t answer[28 + 16] = { 0x45 }, *said = answer + 28;
  int saidSize = asked[1] == 0 ? 12 : 16;
  said[1] = 128 + asked[1];
  put32(said + 4, (uint32_t)(time(NULL) - router->startedAt));
  if (asked[1] == 0) put32(said + 8, router->ip);
  else {
    uint8_t protocol = asked[1] == 1 ? udp : tcp;
    uint16_t insidePort = get16(asked + 4), wished = get16(asked + 6);
    uint32_t seconds = get32(asked + 8);
    Mapping **at = &router->mappings;
    while (*at != NULL && !((*at)->forwarded && (*at)->protocol == protocol && (*at)->inside == host->ip && (*at)->insidePort == insidePort)) at = &(*at)->next;
    if (seconds == 0 && *at != NULL) (*at)->outsidePort = (*at)->insidePort = 0;
    if (seconds > 0 && *at == NULL) {
      addMapping(router, (Mapping){ .protocol = protocol, .inside = host->ip, .insidePort = insidePort, .outsidePort = freePort(router, protocol, wished), .forwarded = 1 });
      at = &router->mappings;
    }
    put16(said + 8, insidePort);
    put16(said + 10, seconds == 0 ? 0 : (*at)->outsidePort);
    put32(said + 12, seconds);
  }
  int total = 28 + saidSize;
  put16(answer + 2, (uint16_t)total);
  answer[8] = 64;
  answer[9] = udp;
  put32(answer + 12, router->gateway);
  put32(answer + 16, host->ip);
  put16(answer + 20, portMapPort);
  put16(answer + 22, get16(ports));
  put16(answer + 24, (uint16_t)(8 + saidSize));
  seal(answer, total);
  deliver(host, answer, total);
}

/** Handles a packet that a host sent. */
static void leave(Node *host, uint8_t *packet, int length) {
  if (length < 28 || packet[0] >> 4 != 4 || (packet[9] != tcp && packet[9] != udp) || headerBytes(packet) + 8 > length) return;
  uint32_t to = get32(packet + 16);
  Node *router = host->router;
  if (router == NULL) { route(host, packet, length); return; }
  if (isLost(host, length)) return;
  if (to == router->gateway) { answerPortMap(router, host, packet, length); return; }
  if (to >> 8 == router->gateway >> 8) {
    Node *neighbour = insideNode(router, to);
    if (neighbour != NULL) deliver(neighbour, packet, length);
    return;
  }
  if (translateOut(router, packet, length)) route(router, packet, length);
}

// ---- commands

static int openTun(const char *name) {
  char path[128];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) return -1;
  close(space);
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "tun0" };
  return tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0 ? -1 : tun;
}

static Kind kindNamed(const char *name) {
  Kind kind = 0;
  while (kind < kinds && strcmp(kindNames[kind], name) != 0) kind++;
  return kind;
}

static uint32_t address(const char *text) { struct in_addr parsed; return inet_pton(AF_INET, text, &parsed) == 1 ? ntohl(parsed.s_addr) : 0; }

static Node *addNode(const char *name, const char *ip) {
  if (nodeCount == maxNodes || address(ip) == 0) return NULL;
  Node *node = &nodes[nodeCount];
  *node = (Node){ .ip = address(ip), .tun = -1, .startedAt = time(NULL) };
  snprintf(node->name, sizeof node->name, "%s", name);
  return node;
}

static const char *obey(char *line, char *answer, size_t room) {
  char *words[6] = { 0 };
  int count = 0;
  for (char *word = strtok(line, " \n"); word != NULL && count < 6; word = strtok(NULL, " \n")) words[count++] = word;
  if (count < 2) return "error no command";
  Node *node = named(words[1]);
  const char *command = words[0];
  if (strcmp(command, "host") == 0 && count == 4) {
    if ((node = addNode(words[1], words[2])) == NULL || (node->tun = openTun(words[1])) < 0) return "error no device";
    node->delayUs = atoll(words[3]);
    nodeCount++;
    return "ok";
  }
  if (strcmp(command, "router") == 0 && count == 6) {
    Kind kind = kindNamed(words[4]);
    if (kind == kinds || (node = addNode(words[1], words[2])) == NULL) return "error bad router";
    node->isRouter = 1;
    node->delayUs = atoll(words[3]);
    node->kind = kind;
    node->gateway = address(words[5]);
    nodeCount++;
    return "ok";
  }
  if (strcmp(command, "inside") == 0 && count == 4) {
    Node *router = named(words[3]);
    if (router == NULL || (node = addNode(words[1], words[2])) == NULL || (node->tun = openTun(words[1])) < 0) return "error no device";
    node->router = router;
    nodeCount++;
    return "ok";
  }
  if (node == NULL) return "error unknown name";
  if (strcmp(command, "kind") == 0 && count == 3 && kindNamed(words[2]) != kinds) { node->kind = kindNamed(words[2]); forget(node); return "ok"; }
  if (strcmp(command, "forget") == 0) { forget(node); return "ok"; }
  if (strcmp(command, "forward") == 0 && count == 4) {
    uint16_t port = (uint16_t)atoi(words[2]);
    addMapping(node, (Mapping){ .protocol = tcp, .inside = address(words[3]), .insidePort = port, .outsidePort = port, .forwarded = 1, .fixed = 1 });
    return "ok";
  }
  if (strcmp(command, "portmap") == 0 && count == 3) { node->mapsPorts = atoi(words[2]); return "ok"; }
  if (strcmp(command, "cut") == 0 && count == 3) { node->isCut = atoi(words[2]); return "ok"; }
  if (strcmp(command, "loss") == 0 && count == 3) { node->lossPermille = atoi(words[2]); return "ok"; }
  if (strcmp(command, "count") == 0) { snprintf(answer, room, "ok %llu %llu", (unsigned long long)node->packets, (unsigned long long)node->bytes); return answer; }
  return "error unknown command";
}

int main(void) {
  static uint8_t packet[maxPacket];
  char line[256], answer[64];
  struct pollfd polled[maxNodes + 1];
  Node *owners[maxNodes + 1];
  srand(1);
  for (;;) {
    while (heapSize > 0 && heap[0]->at <= nowUs()) { Packet *due = pop(); arrive(due); free(due); }
    int count = 0;
    polled[count++] = (struct pollfd){ .fd = 0, .events = POLLIN };
    for (int i = 0; i < nodeCount; i++) if (nodes[i].tun >= 0) { owners[count] = &nodes[i]; polled[count++] = (struct pollfd){ .fd = nodes[i].tun, .events = POLLIN }; }
    int64_t left = heapSize == 0 ? 1000000 : heap[0]->at - nowUs();
    struct timespec wait = { .tv_sec = left > 0 ? left / 1000000 : 0, .tv_nsec = left > 0 ? left % 1000000 * 1000 : 0 };
    if (ppoll(polled, (nfds_t)count, &wait, NULL) < 0) return 1;
    for (int i = 1; i < count; i++) {
      if ((polled[i].revents & POLLIN) == 0) continue;
      for (int n = 0; n < 64; n++) {
        ssize_t length = read(polled[i].fd, packet, sizeof packet);
        if (length <= 0) break;
        leave(owners[i], packet, (int)length);
      }
    }
    if (polled[0].revents != 0) {
      // One command at a time: its sender waits for the answer.
      ssize_t length = read(0, line, sizeof line - 1);
      if (length <= 0) return 0;
      line[length] = 0;
      puts(obey(line, answer, sizeof answer));
      fflush(stdout);
    }
  }
}
