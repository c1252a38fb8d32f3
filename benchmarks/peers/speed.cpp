// The speed baseline: patterns built in, fewest dependencies, in the order that SimGrid runs fastest.
//   speed PLATFORM.xml ring|hd|perm|shift|a2a|a2astep RANKS BYTES [simgrid flags]
//   SHUF=seed maps the ranks at random; MAP=file maps rank i to the host that the file's i-th number names
// Build: g++ -O2 -std=c++17 speed.cpp -o speed -lsimgrid
#include <simgrid/s4u.hpp>
#include <simgrid/version.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>
#include <random>
#include <algorithm>
#include <chrono>
namespace sg = simgrid::s4u;
static long nc = 0;
int main(int argc, char** argv) {
  auto t0 = std::chrono::steady_clock::now();
  sg::Engine e(&argc, argv);
  e.load_platform(argv[1]);
  std::string pat = argv[2]; int n = atoi(argv[3]); double B = atof(argv[4]);
  std::vector<sg::Host*> h; for (int i = 0; i < n; i++) h.push_back(e.host_by_name("h" + std::to_string(i)));
  if (getenv("SHUF")) { std::mt19937 g(atoi(getenv("SHUF"))); std::shuffle(h.begin(), h.end(), g); } // random rank mapping
  if (const char* map = getenv("MAP")) { std::ifstream in(map); std::vector<sg::Host*> seats; for (int i, r = 0; r < n && in >> i; r++) seats.push_back(h[i]); h = seats; }
  auto t1 = std::chrono::steady_clock::now();
  std::vector<sg::CommPtr> all;
  auto mk = [&](int s, int d, double b) { auto c = sg::Comm::sendto_init(h[s], h[d]); c->set_payload_size((uint64_t)b); all.push_back(c); nc++; return c; };
  if (pat == "ring") { // 2(n-1) steps, chunk B/n, step k of rank r waits for recv of step k-1 and own send k-1
    std::vector<sg::CommPtr> prev(n), cur(n);
    for (int k = 0; k < 2 * (n - 1); k++) {
      for (int r = 0; r < n; r++) cur[r] = mk(r, (r + 1) % n, B / n);
      if (k) for (int r = 0; r < n; r++) { prev[r]->add_successor(cur[r]); prev[(r + n - 1) % n]->add_successor(cur[r]); }
      prev = cur;
    }
  } else if (pat == "hd") { // recursive halving (distance n/2..1), then doubling
    std::vector<sg::CommPtr> prev(n), cur(n); int lg = 0; while ((1 << lg) < n) lg++;
    int pm = 0;
    for (int k = 0; k < 2 * lg; k++) {
      int i = k < lg ? k : 2 * lg - 1 - k; int m = n >> (i + 1); double b = B / (1 << (i + 1));
      for (int r = 0; r < n; r++) cur[r] = mk(r, r ^ m, b);
      if (k) for (int r = 0; r < n; r++) { prev[r]->add_successor(cur[r]); prev[r ^ pm]->add_successor(cur[r]); }
      prev = cur; pm = m;
    }
  } else if (pat == "perm") { std::vector<int> p(n); for (int i = 0; i < n; i++) p[i] = i; std::mt19937 g(1);
    bool ok; do { std::shuffle(p.begin(), p.end(), g); ok = true; for (int i = 0; i < n; i++) if (p[i] == i) ok = false; } while (!ok);
    for (int i = 0; i < n; i++) mk(i, p[i], B);
  } else if (pat == "shift") { for (int i = 0; i < n; i++) mk(i, (i + n/2) % n, B);
  } else if (pat == "a2a") { for (int i = 0; i < n; i++) for (int j = 1; j < n; j++) mk(i, (i + j) % n, B); }
  else if (pat == "a2astep") { std::vector<sg::CommPtr> prev(n); for (int j = 1; j < n; j++) for (int i = 0; i < n; i++) { auto c = mk(i, (i + j) % n, B); if (prev[i]) prev[i]->add_successor(c); prev[i] = c; } }
  #if SIMGRID_VERSION >= 33500
  for (auto& c : all) c->start();
#else
  for (auto& c : all) c->vetoable_start(); // pre-3.35: start() ignores dependencies
#endif
  auto t2 = std::chrono::steady_clock::now();
  e.run();
  auto t3 = std::chrono::steady_clock::now();
  auto s = [](auto a, auto b) { return std::chrono::duration<double>(b - a).count(); };
  printf("pattern=%s n=%d bytes=%.0f comms=%ld sim_time_s=%.9f load_s=%.3f build_s=%.3f run_s=%.3f\n", pat.c_str(), n, B, nc, e.get_clock(), s(t0, t1), s(t1, t2), s(t2, t3));
}
