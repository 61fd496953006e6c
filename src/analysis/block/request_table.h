#pragma once
// The block requests of one machine that have not been completed: found by device and first or last
// sector, in the order in which they began.
//
// Several may share a place (two readers of one sector, flushes at sector 0): the first one placed
// there is found first. The number is limited; the caller drops the oldest when it is full.
//
// References stay valid until the request is removed. Threads: one. No allocation once it has
// grown.

#include <cstdint>
#include <deque>
#include <vector>

#include "base/time.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::block {

struct Request {
  std::uint64_t device = 0;
  std::uint64_t position = 0;  ///< next sector to be completed
  std::uint64_t sectors = 0;   ///< still to be completed
  std::uint64_t first_sector = 0;
  std::uint64_t bytes = 0;  ///< of the whole
  model::BlockOp op = model::BlockOp::kOther;
  std::int32_t tid = -1;
  HostTime begin;   ///< insert, else issue
  HostTime issued;  ///< the last issue
  bool in_service = false;
  bool requeued = false;  ///< given back by the driver; an insert event may follow
};

class RequestTable {
 public:
  static constexpr std::size_t kLimit = 1U << 14;

  RequestTable();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool full() const { return size_ == kLimit; }
  /// Requires !full().
  Request& add(const Request& request);
  void remove(Request& request);
  /// Gives it another place. first_sector and bytes are the caller's.
  void move(Request& request, std::uint64_t position, std::uint64_t sectors);

  /// The first placed at (device, position) for which `wanted(request)`, null without one.
  template <typename Wanted>
  [[nodiscard]] Request* find(std::uint64_t device, std::uint64_t position, Wanted&& wanted) {
    for (Node* n = starts_[bucket(device, position)].first; n != nullptr; n = n->by_start.next) {
      if (n->device == device && n->position == position && wanted(*n)) return n;
    }
    return nullptr;
  }
  /// The same by the sector after its last one.
  template <typename Wanted>
  [[nodiscard]] Request* find_end(std::uint64_t device, std::uint64_t end, Wanted&& wanted) {
    for (Node* n = ends_[bucket(device, end)].first; n != nullptr; n = n->by_end.next) {
      if (n->device == device && n->position + n->sectors == end && wanted(*n)) return n;
    }
    return nullptr;
  }
  [[nodiscard]] Request* oldest() { return by_age_.first; }
  /// Calls visit(request) for each, oldest first; visit may remove the one it is given.
  template <typename Visit>
  void each(Visit&& visit) {
    for (Node* n = by_age_.first; n != nullptr;) {
      Node* const next = n->by_age.next;
      visit(static_cast<Request&>(*n));
      n = next;
    }
  }

 private:
  struct Node;
  struct Links {
    Node* previous = nullptr;
    Node* next = nullptr;
  };
  struct Node : Request {
    Links by_start;
    Links by_end;
    Links by_age;
  };
  struct List {
    Node* first = nullptr;
    Node* last = nullptr;
  };
  static constexpr std::size_t kBuckets = 1U << 12;

  [[nodiscard]] static std::size_t bucket(std::uint64_t device, std::uint64_t sector) {
    return ((sector ^ (device << 40)) * 0x9e3779b97f4a7c15U) >> 52;
  }
  static void push_back(List& list, Node& node, Links Node::*links);
  static void erase(List& list, Node& node, Links Node::*links);
  void place(Node& node);
  void displace(Node& node);

  std::deque<Node> nodes_;
  std::vector<Node*> free_;
  std::vector<List> starts_;
  std::vector<List> ends_;
  List by_age_;
  std::size_t size_ = 0;
};

}  // namespace vs::analysis::block
