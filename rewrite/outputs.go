package rewrite

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func columnN(n int) string { return "column" + strconv.Itoa(n) }

// outputName is the name that Postgres gives an output without one
// (FigureColname).
func outputName(n *pg.Node) string {
	if name, _ := figureName(n); name != "" {
		return name
	}
	return "?column?"
}

// figureName gives a name and how strong it is (FigureColnameInternal).
func figureName(n *pg.Node) (name string, strength int) {
	switch n := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return lastName(n.ColumnRef.Fields), 2
	case *pg.Node_AIndirection:
		if name := lastName(n.AIndirection.Indirection); name != "" {
			return name, 2
		}
		return figureName(n.AIndirection.Arg)
	case *pg.Node_FuncCall:
		return lastName(n.FuncCall.Funcname), 2
	case *pg.Node_AExpr:
		if n.AExpr.Kind == pg.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
	case *pg.Node_TypeCast:
		if name, strength := figureName(n.TypeCast.Arg); strength > 1 {
			return name, strength
		}
		return lastName(n.TypeCast.TypeName.GetNames()), 1
	case *pg.Node_CollateClause:
		return figureName(n.CollateClause.Arg)
	case *pg.Node_SubLink:
		switch n.SubLink.SubLinkType {
		case pg.SubLinkType_EXISTS_SUBLINK:
			return "exists", 2
		case pg.SubLinkType_ARRAY_SUBLINK:
			return "array", 2
		case pg.SubLinkType_EXPR_SUBLINK:
			if s := n.SubLink.Subselect.GetSelectStmt(); s != nil {
				for s.Larg != nil {
					s = s.Larg
				}
				if len(s.TargetList) > 0 {
					if t := s.TargetList[0].GetResTarget(); t.GetName() != "" {
						return t.Name, 2
					} else if t != nil {
						return figureName(t.Val)
					}
				}
			}
		}
	case *pg.Node_CaseExpr:
		if name, strength := figureName(n.CaseExpr.Defresult); strength > 1 {
			return name, strength
		}
		return "case", 1
	case *pg.Node_AArrayExpr:
		return "array", 2
	case *pg.Node_RowExpr:
		return "row", 2
	case *pg.Node_CoalesceExpr:
		return "coalesce", 2
	case *pg.Node_MinMaxExpr:
		if n.MinMaxExpr.Op == pg.MinMaxOp_IS_LEAST {
			return "least", 2
		}
		return "greatest", 2
	}
	return "", 0
}

func lastName(list []*pg.Node) string {
	name := ""
	for _, n := range list {
		if s := n.GetString_(); s != nil {
			name = s.Sval
		}
	}
	return name
}

// locationOf is where a reference or constant lies, else the other location.
func locationOf(node *pg.Node, otherwise int32) int32 {
	switch n := node.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return n.ColumnRef.Location
	case *pg.Node_AConst:
		return n.AConst.Location
	case *pg.Node_ParamRef:
		return n.ParamRef.Location
	case *pg.Node_TypeCast:
		if n.TypeCast.Location >= 0 {
			return locationOf(n.TypeCast.Arg, n.TypeCast.Location)
		}
		return n.TypeCast.TypeName.GetLocation()
	case *pg.Node_FuncCall:
		return n.FuncCall.Location
	case *pg.Node_AExpr:
		return locationOf(n.AExpr.Lexpr, n.AExpr.Location)
	case *pg.Node_AIndirection:
		return locationOf(n.AIndirection.Arg, otherwise)
	case nil:
		return otherwise
	}
	return reflectedLocation(node, otherwise)
}

// reflectedLocation reads the location that most node types have.
func reflectedLocation(n *pg.Node, otherwise int32) int32 {
	location := otherwise
	n.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		m := v.Message()
		if fd := m.Descriptor().Fields().ByName("location"); fd != nil && fd.Kind() == protoreflect.Int32Kind {
			location = int32(m.Get(fd).Int())
		}
		return false
	})
	return location
}
