// JAX, PyTorch and NumPy beside Tenon: each a Python process that is kept for the whole run and told what to prepare and when to time
// itself (bench/peers/serve.py). Refuses results that differ: a wrong row is no row.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tenon/bench/peer_process.h"
#include "tenon/bench/peer_row.h"

namespace tenon::bench {

enum class PeerKind : uint8_t { numpy, torch, jax };
inline constexpr std::array<PeerKind, 3> peer_kinds{PeerKind::numpy, PeerKind::torch, PeerKind::jax};
const char* name_of(PeerKind kind);

// The files of a row's tensors, which all peers read; made in a folder and removed with the object.
class RowFiles {
 public:
  RowFiles(const std::string& folder, const PeerRow& row, const Work& work);
  RowFiles(const RowFiles&) = delete;
  RowFiles& operator=(const RowFiles&) = delete;
  ~RowFiles();
  const std::string& request() const { return request_; }  // to prepare it

 private:
  std::vector<std::string> names_;
  std::string request_;
};

class Peer {
 public:
  // `python` has the library; `folder` holds serve.py.
  Peer(PeerKind kind, const std::string& python, const std::string& folder, int threads);
  PeerKind kind() const { return kind_; }
  bool here() const { return process_.running(); }
  const std::string& text() const { return text_; }  // its version, or why it is not here

  // Whether it has the row and its result is Tenon's; if not, `why` says so: empty where it has no such row.
  bool prepare(const RowFiles& files, double tolerance, std::string& why);
  double seconds();  // of one call, just measured; 0 where it has ended

 private:
  PeerKind kind_;
  PeerProcess process_;
  std::string text_;
};

}  // namespace tenon::bench
