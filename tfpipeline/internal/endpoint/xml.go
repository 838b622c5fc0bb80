package endpoint

import (
	"bytes"
	"fmt"

	"github.com/beevik/etree"
)

// Leaf is an element that holds text.
func Leaf(name string, text any) *etree.Element {
	e := etree.NewElement(name)
	e.SetText(fmt.Sprint(text))
	return e
}

// Optional is a leaf, or nothing if the text is empty.
func Optional(name, text string) *etree.Element {
	if text == "" {
		return nil
	}
	return Leaf(name, text)
}

// Branch is an element that holds others; nil ones are left out.
func Branch(name string, children ...*etree.Element) *etree.Element {
	e := etree.NewElement(name)
	Add(e, children...)
	return e
}

// Add puts elements into another; nil ones are left out.
func Add(e *etree.Element, children ...*etree.Element) {
	for _, c := range children {
		if c != nil {
			e.AddChild(c)
		}
	}
}

// Text is the text of the first child of that name, or "".
func Text(e *etree.Element, name string) string {
	if e != nil {
		if c := e.SelectElement(name); c != nil {
			return c.Text()
		}
	}
	return ""
}

// Set sets the text of the child with that name, and adds the child if there
// is none.
func Set(e *etree.Element, name string, text any) {
	c := e.SelectElement(name)
	if c == nil {
		c = e.CreateElement(name)
	}
	c.Child = nil
	c.SetText(fmt.Sprint(text))
}

// Every returns all elements of that name below one, at any depth.
func Every(e *etree.Element, name string) []*etree.Element {
	if e == nil {
		return nil
	}
	return e.FindElements(".//" + name)
}

// ParseXML returns the root element of a document.
func ParseXML(data []byte) (*etree.Element, error) {
	d := etree.NewDocument()
	if err := d.ReadFromBytes(data); err != nil {
		return nil, fmt.Errorf("parse xml: %w", err)
	}
	if d.Root() == nil {
		return nil, fmt.Errorf("parse xml: no element in %q", data)
	}
	return d.Root(), nil
}

func Encode(root *etree.Element) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	d := etree.NewDocumentWithRoot(root.Copy())
	_, _ = d.WriteTo(&b) // a buffer takes everything
	return b.Bytes()
}
