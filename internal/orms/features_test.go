package orms_test

import "github.com/pgseal/pgseal/internal/clienttest"

// searching is the feature whose statements are refused.
const searching = "searches"

// features are what the programs play, in the table's order. Their names stand
// before the tab in what the programs print.
var features = []clienttest.Feature{
	{"create schema", "make the tables from the models: by migrations, or at once"},
	{"no drift", "afterwards the mapper finds no difference between its models and the database"},
	{"introspection", "models, or a description of the schema, made from the tables"},
	{"create", "rows one by one, with the keys that the database gave them; get or create"},
	{"bulk create", "many rows at once, also ignoring conflicts"},
	{"upsert", "INSERT … ON CONFLICT DO UPDATE"},
	{"read", "whole rows, some columns, some rows; counts and other aggregates"},
	{"relations", "rows with those that belong to them: joins, second queries, subqueries"},
	{"json paths", "parts of a JSON column in the result"},
	{"update", "whole rows, some columns, many rows by a condition, from expressions of plain columns"},
	{"update or create", "what is there is updated, else created"},
	{"bulk update", "many rows, each with values of its own"},
	{"streaming", "rows fetched in parts"},
	{"transactions", "rollback, savepoints, errors of the database as the mapper shows them, locked rows"},
	{"raw SQL", "statements of the application's own, their rows as models"},
	{"delete", "rows, and those that belong to them"},
	{"alter schema", "a migration that adds a sealed column, and back"},
	{"other apps", "what comes with the framework: users, sessions, the queries of its administration"},
	{searching, "what searches a sealed column is refused, with SQLSTATE 0A000 in the mapper's error"},
}
