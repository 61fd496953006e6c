#pragma once
// The handlers, one per endpoint, by the file they are in. Each answers every request, whatever is
// wrong with it.

#include "serve/tsp/context.h"

namespace vs::serve::tsp {

// server.cc
Response health(Registry& registry, const Call& call);
Response identifier(Registry& registry, const Call& call);
Response traces(Registry& registry, const Call& call);
Response open_trace(Registry& registry, const Call& call);
Response trace(Registry& registry, const Call& call);
Response close_trace(Registry& registry, const Call& call);
Response experiments(Registry& registry, const Call& call);
Response open_experiment(Registry& registry, const Call& call);
Response experiment(Registry& registry, const Call& call);
Response close_experiment(Registry& registry, const Call& call);
// catalogue.cc
Response list_outputs(Context& context, const Call& call);
Response one_output(Context& context, const Call& call);
Response marker_sets(Context& context, const Call& call);
Response styles(Context& context, const Call& call);
Response annotation_categories(Context& context, const Call& call);
Response annotations(Context& context, const Call& call);
Response output_config_types(Context& context, const Call& call);
Response config_types(Registry& registry, const Call& call);
Response no_config(Registry& registry, const Call& call);
Response no_derived(Context& context, const Call& call);
// bookmarks.cc
Response bookmarks(Context& context, const Call& call);
Response add_bookmark(Context& context, const Call& call);
Response bookmark(Context& context, const Call& call);
Response change_bookmark(Context& context, const Call& call);
Response remove_bookmark(Context& context, const Call& call);
// time_graph.cc
Response time_graph_tree(Context& context, const Call& call);
Response time_graph_states(Context& context, const Call& call);
Response time_graph_arrows(Context& context, const Call& call);
Response time_graph_tooltip(Context& context, const Call& call);
// xy.cc
Response xy_tree(Context& context, const Call& call);
Response xy_values(Context& context, const Call& call);
Response generic_xy_tree(Context& context, const Call& call);
Response generic_xy_values(Context& context, const Call& call);
// table.cc
Response data_tree(Context& context, const Call& call);
Response table_columns(Context& context, const Call& call);
Response table_lines(Context& context, const Call& call);

}  // namespace vs::serve::tsp
