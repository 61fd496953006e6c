#include "analysis/block/request_table.h"

namespace vs::analysis::block {

RequestTable::RequestTable() : starts_(kBuckets), ends_(kBuckets) {}

Request& RequestTable::add(const Request& request) {
  if (free_.empty()) {
    free_.push_back(&nodes_.emplace_back());
  }
  Node& node = *free_.back();
  free_.pop_back();
  static_cast<Request&>(node) = request;
  place(node);
  push_back(by_age_, node, &Node::by_age);
  ++size_;
  return node;
}

void RequestTable::remove(Request& request) {
  Node& node = static_cast<Node&>(request);
  displace(node);
  erase(by_age_, node, &Node::by_age);
  free_.push_back(&node);
  --size_;
}

void RequestTable::move(Request& request, std::uint64_t position, std::uint64_t sectors) {
  Node& node = static_cast<Node&>(request);
  displace(node);
  node.position = position;
  node.sectors = sectors;
  place(node);
}

void RequestTable::place(Node& node) {
  push_back(starts_[bucket(node.device, node.position)], node, &Node::by_start);
  push_back(ends_[bucket(node.device, node.position + node.sectors)], node, &Node::by_end);
}

void RequestTable::displace(Node& node) {
  erase(starts_[bucket(node.device, node.position)], node, &Node::by_start);
  erase(ends_[bucket(node.device, node.position + node.sectors)], node, &Node::by_end);
}

void RequestTable::push_back(List& list, Node& node, Links Node::*links) {
  (node.*links) = {list.last, nullptr};
  (list.last == nullptr ? list.first : (list.last->*links).next) = &node;
  list.last = &node;
}

void RequestTable::erase(List& list, Node& node, Links Node::*links) {
  const Links at = node.*links;
  (at.previous == nullptr ? list.first : (at.previous->*links).next) = at.next;
  (at.next == nullptr ? list.last : (at.next->*links).previous) = at.previous;
}

}  // namespace vs::analysis::block
