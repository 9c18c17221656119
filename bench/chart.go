package main

import (
	"fmt"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// colours are the targets', in their order; they can be told apart by those who do
// not see colours, too (Okabe and Ito).
var colours = []color.RGBA{
	{0x99, 0x99, 0x99, 0xff}, {0x00, 0x00, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
	{0x00, 0x72, 0xb2, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0xd5, 0x5e, 0x00, 0xff},
}

// chart is bars: a group a case, a bar a target.
type chart struct {
	file, title, axis string
	cases             []*CaseResult
	targets           []string
	value             func(c *CaseResult, target string) float64
}

// charts are those of a report.
func (r *Report) charts() []chart {
	pick := func(is func(Case) bool) (list []*CaseResult) {
		for _, c := range r.Cases {
			if is(c.Case) {
				list = append(list, c)
			}
		}
		return list
	}
	ofDirect := func(c *CaseResult, target string) float64 { return c.ofDirect(target).median }
	one := func(c Case) bool {
		return c.Rate == 0 && !c.TLS && c.Clients == 1 && c.Type == "text" && c.Protocol == Prepared
	}
	return []chart{
		{file: "throughput.svg", title: "Throughput, of direct, one client, prepared statements, text", axis: "of direct",
			cases: pick(func(c Case) bool { return one(c) && c.Size != b100 && c.Size != mib && c.Bytes < gib }), targets: r.Targets[1:], value: ofDirect},
		{file: "clients.svg", title: "Throughput, of direct, many clients", axis: "of direct",
			cases: pick(func(c Case) bool { return c.Rate == 0 && c.Clients > 1 }), targets: r.Targets[1:], value: ofDirect},
		{file: "latency.svg", title: "99th percentile in an open loop", axis: "µs",
			cases: pick(func(c Case) bool { return c.Rate > 0 }), targets: r.Targets,
			value: func(c *CaseResult, target string) float64 { return c.Results[target].over(p99).median }},
		{file: "cpu.svg", title: "CPU of the proxy for one request", axis: "µs",
			cases: pick(func(c Case) bool { return one(c) && ops[c.Op].rows == 1 && c.Size < mib }), targets: r.proxies(),
			value: func(c *CaseResult, target string) float64 { return c.Results[target].over(proxyCPU).median }},
	}
}

// proxies are the targets with a proxy.
func (r *Report) proxies() (list []string) {
	for _, name := range r.Targets {
		for _, c := range r.Cases {
			if t := c.Results[name]; t != nil && t.over(proxyCPU).median > 0 {
				list = append(list, name)
				break
			}
		}
	}
	return list
}

// draw writes the chart into the folder; false when there is nothing to draw.
func (c chart) draw(folder string, all []string) (bool, error) {
	if len(c.cases) == 0 || len(c.targets) == 0 {
		return false, nil
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.X.Min = c.title, c.axis, 0
	p.Legend.Top = true
	const thick = 7
	var names []string
	for i := range c.cases {
		names = append(names, c.cases[len(c.cases)-1-i].Name) // the first on top
	}
	for i, target := range c.targets {
		var values plotter.Values
		for j := range c.cases {
			v := 0.0
			if one := c.cases[len(c.cases)-1-j]; one.Results[target] != nil {
				v = c.value(one, target)
			}
			values = append(values, v)
		}
		bars, err := plotter.NewBarChart(values, thick)
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.file, err)
		}
		bars.Horizontal, bars.LineStyle.Width = true, 0
		bars.Offset = vg.Points(thick * (float64(len(c.targets)-1)/2 - float64(i)))
		bars.Color = colours[indexOf(all, target)%len(colours)]
		p.Add(bars)
		p.Legend.Add(target, bars)
	}
	p.NominalY(names...)
	height := vg.Points(float64(90 + len(c.cases)*(len(c.targets)+1)*thick + 14*len(c.targets)))
	if err := p.Save(24*vg.Centimeter, height, filepath.Join(folder, c.file)); err != nil {
		return false, fmt.Errorf("%s: %w", c.file, err)
	}
	return true, nil
}

func indexOf(list []string, s string) int {
	for i, have := range list {
		if have == s {
			return i
		}
	}
	return 0
}
